"""The records of the task list and of the inbox. Tool results show the fields in this order."""

from typing import Literal

from pydantic import ConfigDict, Field
from tau2_core import Database, Record

TaskStatus = Literal["pending", "completed"]


class Task(Record):
    """An item of the task list."""

    task_id: str
    title: str
    description: str | None = None
    status: TaskStatus


class User(Record):
    """A member of the team, with the ids of their tasks."""

    user_id: str
    name: str
    tasks: list[str]


class MockDB(Database):
    """The task list: what the agent works on."""

    tasks: dict[str, Task]
    users: dict[str, User]


class Notification(Record):
    """A message in the caller's inbox, about a task or not."""

    model_config = ConfigDict(extra="forbid")

    notification_id: str
    message: str
    status: Literal["unread", "read"] = "unread"
    task_id: str | None = None


class NotificationsDB(Database):
    """The inbox: what the caller works on."""

    notifications: dict[str, Notification] = Field(default_factory=dict)
