"""Assertions about the end state. An id that does not exist is an error, not False."""

from typing import Literal

from tau2_domain_mock.finding import find_notification, find_task, find_user
from tau2_domain_mock.models import MockDB, NotificationsDB, TaskStatus


def assert_number_of_tasks(db: MockDB, user_id: str, expected_number: int) -> bool:
    """Return whether a user's list has the expected number of entries."""
    return len(find_user(db, user_id).tasks) == expected_number


def assert_task_status(db: MockDB, task_id: str, expected_status: TaskStatus) -> bool:
    """Return whether a task has the expected status."""
    return find_task(db, task_id).status == expected_status


def assert_notification_status(
    db: NotificationsDB, notification_id: str, expected_status: Literal["unread", "read"]
) -> bool:
    """Return whether a notification has the expected status."""
    return find_notification(db, notification_id).status == expected_status
