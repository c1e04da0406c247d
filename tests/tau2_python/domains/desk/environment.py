import json
import os
from pathlib import Path
from typing import Literal

from bench_stand_in import DB, Environment, Task, ToolKitBase, ToolType, is_tool
from pydantic import BaseModel, ConfigDict


class Job(BaseModel):
    task_id: str
    title: str
    description: str | None = None
    status: Literal["pending", "completed"]


class Person(BaseModel):
    user_id: str
    name: str
    tasks: list[str]


class Notification(BaseModel):
    model_config = ConfigDict(extra="forbid")

    notification_id: str
    message: str
    status: Literal["unread", "read"] = "unread"
    task_id: str | None = None


class DeskDB(DB):
    tasks: dict[str, Job]
    users: dict[str, Person]


class InboxDB(DB):
    notifications: dict[str, Notification] = {}


class DeskTools(ToolKitBase):
    @is_tool(ToolType.WRITE)
    def create_task(self, user_id: str, title: str, description: str | None = None) -> Job:
        """Create a task."""
        if user_id not in self.db.users:
            raise ValueError(f"no user {user_id}")
        name = f"task_{len(self.db.tasks) + 1}"
        self.db.tasks[name] = Job(task_id=name, title=title, description=description, status="pending")
        self.db.users[user_id].tasks.append(name)
        return self.db.tasks[name]

    @is_tool(ToolType.READ)
    def get_users(self) -> list[Person]:
        """List the users."""
        return list(self.db.users.values())

    @is_tool(ToolType.WRITE)
    def update_task_status(self, task_id: str, status: Literal["pending", "completed"]) -> Job:
        """Set a task's status."""
        if task_id not in self.db.tasks:
            raise ValueError(f"no task {task_id}")
        self.db.tasks[task_id].status = status
        return self.db.tasks[task_id]

    @is_tool(ToolType.GENERIC)
    def transfer_to_human_agents(self, summary: str) -> str:
        """Hand over."""
        return "Transfer successful"

    def assert_number_of_tasks(self, user_id: str, expected_number: int) -> bool:
        return len(self.db.users[user_id].tasks) == expected_number

    def assert_task_status(self, task_id: str, expected_status: str) -> bool:
        return self.db.tasks[task_id].status == expected_status


class InboxTools(ToolKitBase):
    @is_tool(ToolType.READ)
    def check_notifications(self) -> list[Notification]:
        """Read the notifications."""
        return list(self.db.notifications.values())

    @is_tool(ToolType.WRITE)
    def dismiss_notification(self, notification_id: str) -> str:
        """Dismiss one."""
        if notification_id not in self.db.notifications:
            raise ValueError(f"no notification {notification_id}")
        self.db.notifications[notification_id].status = "read"
        return f"Notification {notification_id} dismissed"

    def add_notification(self, notification_id: str, message: str, task_id: str | None = None) -> Notification:
        notification = Notification(notification_id=notification_id, message=message, task_id=task_id)
        self.db.notifications[notification_id] = notification
        return notification

    def assert_notification_status(self, notification_id: str, expected_status: str) -> bool:
        return self.db.notifications[notification_id].status == expected_status


def read(name):
    return (Path(os.environ["DESK_DATA"]) / name).read_text(encoding="utf-8")


def get_environment(solo_mode=False):
    policy = read("policy_solo.md" if solo_mode else "policy.md")
    desk, inbox = DeskDB.model_validate_json(read("db.json")), InboxDB.model_validate_json(read("user_db.json"))
    return Environment("mock", policy, DeskTools(desk), InboxTools(inbox))


def get_tasks():
    return [Task.model_validate(each) for each in json.loads(read("tasks.json"))]
