"""Read, dismiss and, to set up a task, add notifications."""

from tau2_domain_mock.finding import find_notification
from tau2_domain_mock.models import Notification, NotificationsDB


def check_notifications(db: NotificationsDB) -> list[Notification]:
    """List the notifications."""
    return list(db.notifications.values())


def dismiss_notification(db: NotificationsDB, notification_id: str) -> str:
    """Mark a notification as read."""
    find_notification(db, notification_id).status = "read"
    return f"Notification {notification_id} dismissed"


def add_notification(
    db: NotificationsDB, notification_id: str, message: str, task_id: str | None = None
) -> Notification:
    """Put an unread notification into the inbox."""
    notification = Notification(notification_id=notification_id, message=message, task_id=task_id)
    db.notifications[notification_id] = notification
    return notification
