"""What commands draw: tables at any width, episodes, lists of runs and tasks, and text that steers no terminal."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click import unstyle
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from tau2_core.cli.safe_text import safe
from tau2_core.errors import UsageError
from tau2_core.terminal_text import printable, printable_json

Command = Callable[..., Any]
Folders = Callable[..., Any]
ESCAPES = "\x1b[31mred\x1b]0;title\x07\x9b2J\x00\u202ereversed"
MARKUP = "[bold]loud[/bold] [/] [link=http://x]here\\"


def rows(text: str) -> list[str]:
    return [line.rstrip() for line in unstyle(text).splitlines()]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200])
def test_no_row_is_wider_than_the_screen_and_no_criterion_is_lost(
    copied: Folders, tau2_gym: Command, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """With long ids, wide characters and criteria of one's own."""
    folder = copied("few, silent")
    ids = {task: f"{task}{'図書館' * 9}" for task in folder.read("run")["tasks"][:2]}
    text = {"episodes": folder.lines("episodes"), "grades": folder.lines("grades")}
    for name, lines in text.items():
        for line in lines:
            line["task_id"] = ids.get(line["task_id"], line["task_id"])
            if name == "grades":
                line["verdicts"]["TONE_OF_VOICE"] = {
                    "criterion": "TONE_OF_VOICE",
                    "status": "graded",
                    "reward": 0.25,
                    "checks": [],
                }
                line["reward"] = 0.125
                line["basis"] = [*line["basis"], "TONE_OF_VOICE"]
        folder.write_lines(name, lines)
    folder.set_config(tasks=[ids.get(task, task) for task in folder.read("run")["tasks"]])
    monkeypatch.setenv("COLUMNS", str(width))
    shown = rows(tau2_gym("show", folder).stdout)
    table = shown[: shown.index("Not solved") - 1]
    assert max(cell_len(line) for line in table) <= width
    assert any("TONE_OF_VOICE" in line for line in table) or width < 60
    assert "…" not in table[0]
    assert sum("0.12" in line or "0.13" in line for line in table) == 12
    assert table[0].split()[:3] == ["task", "trial", "reward"]


def test_all_criteria_have_columns_where_there_is_room(
    recorded: Folders, tau2_gym: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    first = rows(tau2_gym("show", recorded("few, silent")).stdout)[0]
    grade = recorded("few, silent").lines("grades")[0]
    assert first.split() == ["task", "trial", "reward", *grade["verdicts"], "calls", "errors", "ms"]


def test_what_is_not_solved_names_path_call_and_state(tmp_path: Path, tau2_gym: Command) -> None:
    done = tau2_gym(*("run", "telecom", "--agent", "silent", "--num-tasks", 1, "--out", tmp_path, "--name", "r"))
    said = " ".join(done.stdout.split())
    assert re.search(r"ENV_ASSERTION: assert_\w+\(.*\): is not True; the state behind it: user database: ", said)
    assert re.search(r"device\.\w+ \(gold \S+, here \S+\)", said)


class TestShow:
    def test_an_episode(self, recorded: Folders, tau2_gym: Command) -> None:
        folder = recorded("disturbed")
        grade = next(each for each in folder.lines("grades") if each["outcome"] == "failed")
        slot = f"{grade['task_id']}#{grade['trial']}"
        done = tau2_gym("show", folder, slot)
        said = done.stdout
        assert said.startswith(f"{slot} · airline · reward 0.0, failed · ")
        for title in ("Conversation", "Calls", "Verdicts"):
            assert f"\n{title}" in said
        record = next(
            each
            for each in folder.lines("episodes")
            if (each["task_id"], each["trial"]) == (grade["task_id"], grade["trial"])
        )
        flat = " ".join(said.split())
        for message in record["messages"]:
            if message["role"] != "tool" and message.get("content"):
                assert " ".join(message["content"].split())[:60] in flat
        assert "gold call" in said
        assert "(gold " in said  # the paths that differ, with both values
        assert len(tau2_gym("show", folder, slot, "--full").stdout) >= len(said)
        found = json.loads(tau2_gym("show", folder, slot, "--json").stdout)
        assert found["grade"] == grade
        assert found["record"] == record

    def test_a_task_alone_is_its_first_trial(self, recorded: Folders, tau2_gym: Command) -> None:
        folder = recorded("few")
        task = folder.read("run")["tasks"][0]
        assert tau2_gym("show", folder, task).stdout.startswith(f"{task}#0 ")

    @pytest.mark.parametrize(
        ("named", "says"),
        [("nothing_like_it", "has no task"), ("nothing#0", "has no task"), ("{}#9", "no trial '9'"), ("{}#x", "'x'")],
    )
    def test_what_is_not_there_is_named(self, recorded: Folders, tau2_gym: Command, named: str, says: str) -> None:
        folder = recorded("few")
        with pytest.raises(UsageError, match=says):
            tau2_gym("show", folder, named.format(folder.read("run")["tasks"][0]))

    def test_what_a_judge_said_is_shown_with_its_reasons(self, copied: Folders, tau2_gym: Command) -> None:
        folder = copied("few")
        task = folder.read("run")["tasks"][0]
        statement = {"statement": "It greets.", "met": False, "reason": "It did not say hello."}
        folder.write_lines(
            "judgements", [{"task_id": task, "trial": 0, "statements": [statement], "model": "openai/x"}]
        )
        said = tau2_gym("show", folder, task).stdout
        assert "judge openai/x" in said
        assert "✗ It greets.: It did not say hello." in said

    def test_without_a_run_it_shows_the_newest(
        self, recorded: Folders, tau2_gym: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(UsageError, match="runs contains no run"):
            tau2_gym("show")
        shutil.copytree(recorded("few").path, tmp_path / "runs" / "few")
        assert "12 of 12 episodes of runs/few" in tau2_gym("show").stdout


def test_runs_are_listed_and_damage_is_named(copied: Folders, tau2_gym: Command, tmp_path: Path) -> None:
    copied("few", "one")
    broken = copied("few, silent", "two")
    (tmp_path / "no run").mkdir()
    done = tau2_gym("runs", tmp_path)
    assert done.exit_code == 0
    assert [line.split() for line in rows(done.stdout)[1:]] == [
        ["one", "mock", "oracle", "12", "1.0000"],
        ["two", "mock", "silent", "12", done.stdout.split()[-1]],
    ]
    (broken.path / "grades.jsonl").write_text("{\n")
    done = tau2_gym("runs", tmp_path)
    assert done.exit_code == 1
    assert "one" in done.stdout
    assert "grades.jsonl:1: not JSON" in done.stderr
    assert "damaged" in json.loads(tau2_gym("runs", tmp_path, "--json").stdout)[1]


def test_tasks_are_listed(tau2_gym: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    every = json.loads(tau2_gym("tasks", "airline", "--json").stdout)
    some = json.loads(tau2_gym("tasks", "airline", "--split", "test", "--json").stdout)
    assert len(every) > len(some) > 0
    assert all("test" in task["splits"] for task in some)
    said = tau2_gym("tasks", "airline", "--split", "test").stdout
    assert rows(said)[-1] == f"{len(some)} tasks"
    assert all(task["id"] in said for task in some)
    assert "actions" not in every[0]  # what is shown names no gold


def test_text_in_a_run_cannot_control_the_terminal(
    copied: Folders, tau2_gym: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hostile task ids, tool names, messages, values and notes, in every command that prints them."""
    monkeypatch.setenv("COLUMNS", "300")
    folder = copied("few, silent")
    hostile = f"{ESCAPES}{MARKUP}"
    first = folder.read("run")["tasks"][0]
    for name in ("episodes", "grades", "tasks", "timings"):
        lines = folder.lines(name)
        for line in lines:
            for key in ("task_id", "id"):
                if line.get(key) == first:
                    line[key] = hostile
            if name == "episodes":
                call = {"id": "1", "name": hostile, "arguments": {hostile: hostile}}
                line["messages"] = [
                    {"role": "user", "content": hostile},
                    {"role": "assistant", "content": None, "tool_calls": [call]},
                    {"role": "tool", "id": "1", "content": hostile, "error": True},
                ]
                line["tool_errors"] = {hostile: 1}
            if name == "grades":
                line["note"] = hostile
                check = {"what": hostile, "met": False, "why": hostile, "evidence": [{"path": hostile, "old": hostile}]}
                verdict = {"criterion": hostile, "status": "graded", "reward": 0.0, "checks": [check]}
                line["verdicts"] = {hostile: verdict}
                line["basis"] = [hostile]
        folder.write_lines(name, lines)
    config = folder.read("run")
    folder.set_config(
        tasks=[hostile if task == first else task for task in config["tasks"]],
        agent=config["agent"] | {"name": hostile},
    )
    for arguments in (
        ["show", folder],
        ["show", folder, hostile],
        ["report", folder],
        ["report", folder, folder],
        ["compare", folder, folder],
        ["runs", folder.path.parent],
        ["show", folder, hostile, "--json"],
        ["report", folder, "--json"],
        ["runs", folder.path.parent, "--json"],
    ):
        done = tau2_gym(*arguments)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", done.stdout), arguments
        assert "loud" in done.stdout
        if "--json" in arguments:
            json.loads(done.stdout)
        else:
            assert "[bold]loud[/bold]" in done.stdout


@given(st.text())
def test_any_text_is_printed_as_it_is_or_as_escapes(text: str) -> None:
    console = Console(width=10_000, color_system="truecolor", force_terminal=True, highlight=False)
    with console.capture() as captured:
        console.print(f"[bold]{safe(text)}[/bold]", soft_wrap=True, emoji=False)
    said = captured.get()
    assert not re.search("[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]", said)
    assert said.count("\x1b") in (0, 2)  # bold on and off, nothing else
    assert json.loads(printable_json(json.dumps([text], ensure_ascii=False))) == [text]
    assert printable(printable(text)) == printable(text)


def test_the_demo_names_the_command_as_it_can_be_called(tau2_gym: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", [".venv/bin/tau2-gym", "demo", "mock"])
    monkeypatch.setenv("PATH", "/nowhere")
    assert "\n  .venv/bin/tau2-gym show runs/first\n" in tau2_gym("demo", "mock").stdout
    monkeypatch.setattr("sys.argv", ["__main__.py", "demo", "mock"])
    assert "\n  tau2-gym show runs/first\n" in tau2_gym("demo", "mock").stdout


def test_the_demo_shows_a_conversation_a_failure_and_both_scores(tau2_gym: Command) -> None:
    said = tau2_gym("demo", "mock").stdout
    for title in ("1. A conversation", "2. A failure", "3. Scores", "4. Go on"):
        assert title in said
    assert re.search(r"0\.\d{4}  agent silent", said)
    assert "1.0000  agent oracle: reads the gold" in said
    assert "(gold " in said.partition("2. A failure")[2]
    assert said.count("  tau2-gym ") == 3


LISTS = {
    "domains": ["domains"],
    "tools": ["describe", "telecom"],
    "tool": ["describe", "airline", "book_reservation"],
    "tasks": ["tasks", "airline", "--split", "test"],
    "plugins": ["plugins"],
    "audit": ["check", "--audit", "mock"],
}


@pytest.mark.domain("airline", "mock", "retail", "telecom")
@pytest.mark.parametrize("name", LISTS)
def test_lists_are_folded_and_not_cut(tau2_gym: Command, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    whole = unstyle(tau2_gym(*LISTS[name]).output)
    first = [line.split()[0] for line in whole.splitlines() if line.strip()]
    for width in (80, 120):
        monkeypatch.setenv("COLUMNS", str(width))
        text = unstyle(tau2_gym(*LISTS[name]).output)
        assert letters(text) == letters(whole)
        if name != "tasks":  # whose names are long
            assert [each for each in first if each not in text.split()] == []


def letters(text: str) -> Counter[str]:
    """Count the characters of a text; folding moves them, and loses none."""
    return Counter(text) - Counter(" \n" * len(text))
