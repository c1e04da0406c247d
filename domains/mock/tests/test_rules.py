"""The rules of the task list and of the inbox, and the quirks kept for parity, in a small hand-made world."""

from typing import Any

import pytest
from pydantic import ValidationError
from tau2_core import ToolError
from tau2_domain_mock.handlers.assertions import (
    assert_notification_status,
    assert_number_of_tasks,
    assert_task_status,
)
from tau2_domain_mock.handlers.inbox import add_notification, check_notifications, dismiss_notification
from tau2_domain_mock.handlers.tasks import create_task, update_task_status
from tau2_domain_mock.handlers.transfer import transfer_to_human_agents
from tau2_domain_mock.handlers.users import get_users
from tau2_domain_mock.models import MockDB, Notification, NotificationsDB


@pytest.fixture
def db() -> MockDB:
    return MockDB.model_validate(
        {
            "tasks": {
                "task_1": {"task_id": "task_1", "title": "Sew", "status": "pending"},
                "task_3": {"task_id": "task_3", "title": "Paint", "description": "Red.", "status": "completed"},
            },
            "users": {
                "ada": {"user_id": "ada", "name": "Ada Byron", "tasks": ["task_1"]},
                "may": {"user_id": "may", "name": "May Ito", "tasks": ["task_3"]},
            },
        }
    )


@pytest.fixture
def inbox() -> NotificationsDB:
    entries = [
        {"notification_id": "first", "message": "Sew by noon.", "task_id": "task_1"},
        {"notification_id": "second", "message": "Tea at four.", "status": "read"},
    ]
    return NotificationsDB.model_validate({"notifications": {entry["notification_id"]: entry for entry in entries}})


class TestCreating:
    def test_new_id_is_the_count_and_overwrites_an_existing_task_in_place(self, db: MockDB) -> None:
        made = create_task(db, "ada", "Iron")
        assert made.model_dump() == {"task_id": "task_3", "title": "Iron", "description": None, "status": "pending"}
        assert list(db.tasks) == ["task_1", "task_3"]
        assert create_task(db, "ada", "Fold").task_id == "task_3"
        assert (db.users["ada"].tasks, db.users["may"].tasks) == (["task_1", "task_3", "task_3"], ["task_3"])
        assert db.tasks["task_3"].title == "Fold"

    def test_appends_if_the_id_is_free(self, db: MockDB) -> None:
        del db.tasks["task_3"]
        assert create_task(db, "may", "", "").model_dump(include={"task_id", "title", "description"}) == {
            "task_id": "task_2",
            "title": "",
            "description": "",
        }
        assert list(db.tasks) == ["task_1", "task_2"]

    @pytest.mark.parametrize(
        ("user_id", "title", "description"),
        [
            ("eve", "Iron", None),
            (None, "Iron", None),
            (["ada"], "Iron", None),
            ("ada", None, None),
            ("ada", 5, None),
            ("ada", "Iron", 5),
            ("ada", "Iron", ["hot"]),
        ],
    )
    def test_invalid_calls_fail_without_changes(self, db: MockDB, user_id: Any, title: Any, description: Any) -> None:
        before = db.model_dump()
        with pytest.raises((ToolError, ValidationError, TypeError)):
            create_task(db, user_id, title, description)
        assert db.model_dump() == before

    def test_checks_the_user_before_the_title(self, db: MockDB) -> None:
        with pytest.raises(ToolError, match="eve"):
            create_task(db, "eve", None)  # type: ignore[arg-type]


class TestStatus:
    def test_status_can_be_changed_back(self, db: MockDB) -> None:
        assert update_task_status(db, "task_1", "completed").status == "completed"
        assert update_task_status(db, "task_3", "pending").status == "pending"

    @pytest.mark.parametrize("status", ["foo", None, [1], {"a": 1.0}])
    def test_is_stored_unchanged(self, db: MockDB, status: Any) -> None:
        assert update_task_status(db, "task_1", status).status == status
        assert assert_task_status(db, "task_1", status)

    @pytest.mark.parametrize("task_id", ["task_2", None, ["task_1"]])
    def test_refuses_an_unknown_task(self, db: MockDB, task_id: Any) -> None:
        with pytest.raises((ToolError, TypeError)):
            update_task_status(db, task_id, "pending")


def test_users_are_listed_in_order(db: MockDB) -> None:
    assert [user.user_id for user in get_users(db)] == ["ada", "may"]


def test_transfer_accepts_anything_and_changes_nothing(db: MockDB) -> None:
    before = db.model_dump()
    assert transfer_to_human_agents(db, None) == "Transfer successful"  # type: ignore[arg-type]
    assert db.model_dump() == before


class TestInbox:
    def test_dismissing_is_idempotent(self, inbox: NotificationsDB) -> None:
        for _ in range(2):
            assert dismiss_notification(inbox, "first") == "Notification first dismissed"
        assert [(entry.notification_id, entry.status) for entry in check_notifications(inbox)] == [
            ("first", "read"),
            ("second", "read"),
        ]

    @pytest.mark.parametrize("notification_id", ["third", None, ["first"]])
    def test_refuses_an_unknown_notification(self, inbox: NotificationsDB, notification_id: Any) -> None:
        with pytest.raises((ToolError, TypeError)):
            dismiss_notification(inbox, notification_id)

    def test_adding_replaces_in_place_and_starts_unread(self, inbox: NotificationsDB) -> None:
        dismiss_notification(inbox, "first")
        add_notification(inbox, "first", "Sew by one.")
        add_notification(inbox, "third", "", "task_9")
        assert [entry.model_dump() for entry in check_notifications(inbox)] == [
            {"notification_id": "first", "message": "Sew by one.", "status": "unread", "task_id": None},
            {"notification_id": "second", "message": "Tea at four.", "status": "read", "task_id": None},
            {"notification_id": "third", "message": "", "status": "unread", "task_id": "task_9"},
        ]

    @pytest.mark.parametrize(
        ("notification_id", "message", "task_id"), [(1, "x", None), ("a", None, None), ("a", "x", 1)]
    )
    def test_adding_refuses_values_that_are_not_text(
        self, inbox: NotificationsDB, notification_id: Any, message: Any, task_id: Any
    ) -> None:
        before = inbox.model_dump()
        with pytest.raises(ValidationError):
            add_notification(inbox, notification_id, message, task_id)
        assert inbox.model_dump() == before

    def test_may_be_missing_from_the_data(self) -> None:
        assert check_notifications(NotificationsDB()) == []

    def test_refuses_unknown_keys(self) -> None:
        with pytest.raises(ValidationError, match="colour"):
            Notification.model_validate({"notification_id": "a", "message": "x", "colour": "red"})


class TestAssertions:
    def test_assertions_compare_values(self, db: MockDB, inbox: NotificationsDB) -> None:
        assert assert_number_of_tasks(db, "ada", 1)
        assert assert_number_of_tasks(db, "ada", 1.0)  # type: ignore[arg-type]
        assert not assert_number_of_tasks(db, "ada", 2)
        assert assert_task_status(db, "task_1", "pending")
        assert not assert_task_status(db, "task_1", "completed")
        assert assert_notification_status(inbox, "second", "read")
        assert not assert_notification_status(inbox, "first", "read")

    def test_assertions_raise_if_the_record_is_missing(self, db: MockDB, inbox: NotificationsDB) -> None:
        with pytest.raises(ToolError, match="eve"):
            assert_number_of_tasks(db, "eve", 0)
        with pytest.raises(ToolError, match="task_2"):
            assert_task_status(db, "task_2", "pending")
        with pytest.raises(ToolError, match="third"):
            assert_notification_status(inbox, "third", "read")
