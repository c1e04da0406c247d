"""Fetch a record by its id, or fail the call."""

from tau2_core import ToolError

from tau2_domain_mock.models import MockDB, Notification, NotificationsDB, Task, User


def find_user(db: MockDB, user_id: str) -> User:
    """Return a user. Raises ToolError if there is none of that id."""
    user = db.users.get(user_id)
    if user is None:
        raise ToolError(f"there is no user {user_id!r}")
    return user


def find_task(db: MockDB, task_id: str) -> Task:
    """Return a task. Raises ToolError if there is none of that id."""
    task = db.tasks.get(task_id)
    if task is None:
        raise ToolError(f"there is no task {task_id!r}")
    return task


def find_notification(db: NotificationsDB, notification_id: str) -> Notification:
    """Return a notification. Raises ToolError if there is none of that id."""
    notification = db.notifications.get(notification_id)
    if notification is None:
        raise ToolError(f"there is no notification {notification_id!r}")
    return notification
