"""`tau2-gym check`: problems of a pack are reported with file and line, and one problem hides no other."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Gym = Callable[..., CompletedProcess[str]]


@dataclass(frozen=True)
class Defect:
    """An edit of the mock pack (`old` "" appends), and the expected message for the line that contains `at`."""

    file: str
    old: str
    new: str
    told: str
    at: str
    where: str = ""
    also: tuple[str, ...] = ()

    def seed(self, pack: Path) -> None:
        file = pack / self.file
        text = file.read_text(encoding="utf-8")
        if self.old:
            assert text.count(self.old) == 1, f"{self.file} has {self.old!r} {text.count(self.old)} times"
        file.write_text(text.replace(self.old, self.new) if self.old else text + self.new, encoding="utf-8")

    def place(self, pack: Path) -> str:
        file = pack / (self.where or self.file)
        found = [n for n, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1) if self.at in line]
        assert len(found) == 1, f"{file} has {self.at!r} in lines {found}"
        return f"mock: {file}:{found[0]}: "

    def count(self) -> int:
        return 1 + len(self.also)


TEN = {
    "unknown id in a gold action": Defect(
        "data/tasks/statuses.yaml",
        old="arguments: {task_id: task_5, status: completed}",
        new="arguments: {task_id: task_55, status: completed}",
        told="task 'complete_task': gold call update_task_status(task_id='task_55', status='completed') fails: "
        "there is no task 'task_55'",
        at="task_55",
    ),
    "handler without YAML": Defect(
        "handlers/users.py",
        old="",
        new="\n\ndef list_teams(db: MockDB) -> list[str]:\n    return []\n",
        told="function 'list_teams' is bound by no YAML entry",
        at="def list_teams",
    ),
    "YAML without handler": Defect(
        "tools/user.yaml",
        old="",
        new="\narchive:\n  description: Put away.\n  kind: write\n  handler: inbox:archive\n",
        told="archive: handlers/inbox.py has no function 'archive'",
        at="handler: inbox:archive",
    ),
    "wrong parameter name": Defect(
        "tools/agent.yaml",
        old="summary: {type: string",
        new="reason: {type: string",
        told="transfer_to_human_agents: the handler has no parameter 'reason'",
        at="reason: {type: string",
    ),
    "undefined prompt variable": Defect(
        "prompts/policy.md.j2",
        old="You look after the",
        new="{{ greeting }} You look after the",
        told="prompt 'policy': 'greeting' is undefined",
        at="{{ greeting }}",
    ),
    "duplicate tool": Defect(
        "tools/agent.yaml",
        old="",
        new="\nget_users: # again\n  description: List them.\n  kind: read\n  handler: users:get_users\n",
        told="'get_users' occurs twice here, first in line 11",
        at="get_users: # again",
    ),
    "task in no split": Defect(
        "data/splits.yaml",
        old="  - tell_whose_task\n",
        new="",
        told="task 'tell_whose_task' is in no split (name it in splits.yaml)",
        at="- id: tell_whose_task",
        where="data/tasks/questions.yaml",
    ),
    "bad enum": Defect(  # of the tool whose gold call has the unknown id
        "tools/agent.yaml",
        old="enum: [pending, completed]",
        new="enum: [pending, finished]",
        told="update_task_status.status: YAML allows ['pending', 'finished'], the handler ['pending', 'completed']",
        at="enum: [pending, finished]",
    ),
    "unreachable assertion": Defect(
        "data/tasks/creating.yaml",
        old="expected_number: 2}",
        new="expected_number: 20}",
        told="task 'create_for_the_shortest_list': assert_number_of_tasks is not met after the gold calls",
        at="- env_type: assistant",
    ),
    "gold that raises": Defect(
        "handlers/inbox.py",
        old="    find_notification(db, notification_id).status",
        new='    if notification_id == "notice_4":\n        raise LookupError("lost")\n'
        "    find_notification(db, notification_id).status",
        told="task 'create_what_a_notification_asks_for': gold call dismiss_notification(notification_id='notice_4') "
        "fails: LookupError: lost (fix the handler, ",
        at="name: dismiss_notification, arguments: {notification_id: notice_4}",
        where="data/tasks/inbox.yaml",
    ),
}


@pytest.mark.parametrize("name", TEN)
def test_a_defect_is_the_only_one_reported_with_file_and_line(gym: Gym, mock_copy: Path, name: str) -> None:
    defect = TEN[name]
    defect.seed(mock_copy)
    done = gym("check", "--pack", mock_copy)
    *found, closing = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (1, "")
    assert any(line.startswith(defect.place(mock_copy) + defect.told) for line in found), done.stdout
    assert all(any(text in line for line in found) for text in defect.also), done.stdout
    assert len(found) == defect.count(), done.stdout
    assert closing.startswith(f"mock: {len(found)} problem")


def test_ten_defects_are_in_one_report(gym: Gym, mock_copy: Path) -> None:
    for defect in TEN.values():
        defect.seed(mock_copy)
    done = gym("check", "--pack", mock_copy)
    *found, closing = done.stdout.splitlines()
    missing = [
        name
        for name, defect in TEN.items()
        if not any(line.startswith(defect.place(mock_copy) + defect.told) for line in found)
    ]
    assert (done.returncode, missing) == (1, []), done.stdout
    assert len(found) == sum(defect.count() for defect in TEN.values()), done.stdout
    assert closing == "mock: 10 problems (6 tools, 18 tasks, 18 played)"


def test_json_has_the_same_report(gym: Gym, mock_copy: Path) -> None:
    for defect in TEN.values():
        defect.seed(mock_copy)
    done = gym("check", "--pack", mock_copy, "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, done.stderr, report["domains"]) == (1, "", ["mock"])
    told = {f"{row['pack']}: {row['file']}:{row['line']}: {row['message']}" for row in report["problems"]}
    for name, defect in TEN.items():
        start = defect.place(mock_copy) + defect.told.partition(" (")[0]
        assert any(line.startswith(start) for line in told), name
    assert all(set(row) == {"pack", "code", "file", "line", "message", "hint"} for row in report["problems"])


def test_our_packs_are_clean(gym: Gym) -> None:
    done = gym("check", "airline", "mock")
    assert (done.returncode, done.stderr) == (0, "")
    airline, mock = done.stdout.splitlines()
    assert airline.startswith("airline: clean (14 tools, ")
    assert mock == "mock: clean (6 tools, 18 tasks, 18 played)"


def test_clean_as_json(gym: Gym) -> None:
    done = gym("check", "mock", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (
        0,
        {"problems": [], "warnings": [], "domains": ["mock"]},
    )


def test_without_a_name_the_packs_of_folders_are_checked(gym: Gym, mock_copy: Path) -> None:
    assert gym("check", "--pack", mock_copy).stdout == "mock: clean (6 tools, 18 tasks, 18 played)\n"


def test_an_unknown_domain_is_a_usage_error(gym: Gym) -> None:
    done = gym("check", "mokc")
    assert (done.returncode, done.stdout, done.stderr) == (
        2,
        "",
        "error: no domain 'mokc' (did you mean 'mock'?)\n",
    )
