"""Labelling at a terminal: one key an answer, stored at once; leaving, going back, and going on later."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click import unstyle
from rich.cells import cell_len
from tau2_core.errors import RunError, UsageError

from tests.annotation.conftest import command, label, stored
from tests.terminal import Terminal

pytestmark = pytest.mark.domain("mock")
FIRST = [("DB", "y"), ("ACTION", "n"), ("assertion", "y"), ("customer", "1")]
PROMPT = " > "


def answer(session: Terminal, *keys: str) -> str:
    """Type keys, each at its prompt; return what was shown after the last one."""
    shown = ""
    for key in keys:
        session.write(key)
        shown = session.read_until(PROMPT)
    return shown


def test_each_key_is_stored_at_once_and_the_next_session_goes_on(
    terminal: Callable[..., Terminal], run_folder: Callable[[str], Path]
) -> None:
    folder = run_folder("random")
    session = terminal("annotate", "random", "--annotator", "ada")
    shown = unstyle(session.read_until(PROMPT))
    assert "create_plain#0 · 1 of 4" in shown
    assert "DB: do the databases end as the task requires?" in shown
    assert "[y] met  [n] not met  [s] skip  [b] back  [w] whole  [q] quit" in shown
    shown = answer(session, "y", "n")
    assert "does this hold: The agent tells the caller the id of the new task." in unstyle(shown)
    assert [each["label"] for each in stored(folder)] == ["met", "unmet"]
    assert stored(folder)[0] == {
        "task_id": "create_plain",
        "trial": 0,
        "about": "criterion",
        "name": "DB",
        "label": "met",
        "annotator": "ada",
    }
    session.write("q")
    session.read_until("the same command continues")
    assert session.process.wait(60) == 0

    session = terminal("annotate", "random", "--annotator", "ada")
    assert "does this hold" in unstyle(session.read_until(PROMPT))
    session.write("\x03")
    session.read_until("0 labels stored")
    assert session.process.wait(60) == 0

    session = terminal("annotate", "random", "--annotator", "bea")  # everybody answers everything
    assert "DB: do the databases" in unstyle(session.read_until(PROMPT))


def test_one_can_go_back_and_a_later_answer_replaces_the_earlier(
    terminal: Callable[..., Terminal], run_folder: Callable[[str], Path]
) -> None:
    folder = run_folder("random")
    session = terminal("annotate", "random", "create_plain", "--about", "criterion")
    session.read_until(PROMPT)
    shown = answer(session, "y", "b")
    assert "labelled met" in unstyle(shown)
    session.write("n")
    session.read_until("ACTION")
    session.write("n")
    session.read_until("no question is open")
    assert [(each["name"], each["label"]) for each in stored(folder)] == [
        ("DB", "met"),
        ("DB", "unmet"),
        ("ACTION", "unmet"),
    ]
    assert "all 2 questions have a label" in command("annotate", folder, "create_plain", "--about", "criterion").output


def test_other_keys_mean_nothing(terminal: Callable[..., Terminal], run_folder: Callable[[str], Path]) -> None:
    """Also those of a sequence that an arrow or a function key sends, which contains digits."""
    folder = run_folder("random")
    session = terminal("annotate", "random", "complete_task#1", "--about", "customer_fault", "--dated")
    shown = unstyle(session.read_until(PROMPT))
    assert "[0] none  [1] minor  [2] decisive" in shown
    for keys in ("x", "\x1b[1~", "\x1b[15;2~", "\x1bOP", "é", "\r"):
        session.write(keys)
    session.write("2")
    session.read_until("no question is open")
    (only,) = stored(folder)
    assert (only["trial"], only["label"]) == (1, "decisive")
    assert "annotator" not in only
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", only["at"])


def test_verdicts_are_hidden_unless_asked_for(
    terminal: Callable[..., Terminal], run_folder: Callable[[str], Path]
) -> None:
    run_folder("random")
    hidden = unstyle(terminal("annotate", "random").read_until(PROMPT))
    assert "Verdicts" not in hidden
    assert "✓" not in hidden
    assert "gold" not in hidden.partition("Calls")[0]
    assert "✗ DB 0" in unstyle(terminal("annotate", "random", "--show-verdicts").read_until(PROMPT))


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal(
    terminal: Callable[..., Terminal], run_folder: Callable[[str], Path], columns: int
) -> None:
    run_folder("random")
    session = terminal("annotate", "random", "--about", "customer_fault", columns=columns)
    lines = unstyle(session.read_until(PROMPT)).splitlines()
    assert max(cell_len(line.rstrip()) for line in lines[:-1]) <= columns
    assert cell_len(lines[-1]) <= 80


def test_a_line_that_was_never_finished_is_removed(
    terminal: Callable[..., Terminal], run_folder: Callable[[str], Path]
) -> None:
    folder = run_folder("random")
    label(folder, ("create_plain", 0, "criterion", "DB", "met", None))
    with (folder / "labels.jsonl").open("a") as file:
        file.write('{"task_id": "create_pl')
    session = terminal("annotate", "random", "create_plain", "--about", "criterion")
    assert "ACTION" in session.read_until(PROMPT)
    session.write("y")
    session.read_until("no question is open")
    assert [each["name"] for each in stored(folder)] == ["DB", "ACTION"]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ([], UsageError, "standard input is not one"),
        (["--annotator", " "], UsageError, "--annotator is empty"),
        (["--agreement", "--export", "x.jsonl"], UsageError, "not both"),
        (["--json"], UsageError, "--json is for --agreement"),
        (["nothing"], UsageError, "has no task 'nothing'"),
        (["create_plain#7"], UsageError, "finished: 0, 1"),
    ],
)
def test_what_cannot_be_done_is_refused(
    run_folder: Callable[[str], Path], options: list[str], error: type[Exception], words: str
) -> None:
    folder = run_folder("random")
    with pytest.raises(error, match=re.escape(words)):
        command("annotate", folder, *options)
    assert not (folder / "labels.jsonl").exists()


@pytest.mark.parametrize(
    ("about", "value", "words"),
    [("criterion", "decisive", "is one of met, unmet"), ("mood", "met", "about"), ("customer_fault", "met", "none")],
)
def test_a_damaged_label_is_named(run_folder: Callable[[str], Path], about: str, value: str, words: str) -> None:
    folder = run_folder("random")
    label(folder, ("create_plain", 0, "criterion", "DB", "met", None), ("create_plain", 0, about, "", value, None))
    with pytest.raises(RunError, match=f"labels.jsonl:2: .*{words}"):
        command("annotate", folder, "--agreement")
