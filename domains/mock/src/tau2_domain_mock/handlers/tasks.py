"""Create tasks and set their status."""

from tau2_domain_mock.finding import find_task, find_user
from tau2_domain_mock.models import MockDB, Task, TaskStatus


def create_task(db: MockDB, user_id: str, title: str, description: str | None = None) -> Task:
    """Put a new, pending task on a user's list."""
    user = find_user(db, user_id)
    task_id = f"task_{len(db.tasks) + 1}"
    task = Task(task_id=task_id, title=title, description=description, status="pending")
    db.tasks[task_id] = task
    user.tasks.append(task_id)
    return task


def update_task_status(db: MockDB, task_id: str, status: TaskStatus) -> Task:
    """Set the status of a task."""
    task = find_task(db, task_id)
    task.status = status
    return task
