"""`grade` and `check --audit` by workers: byte for byte the results of one process, even if workers end."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Gym
from tests.executors.runs import by_slot, summary

Plugin = Callable[..., Path]

# A set whose evaluator ends its process for one task, and is `met` for all others.
FATAL = """
import os
from tau2_core import Check, EvaluatorSpec, Status, Verdict, hookimpl

def fatal(evidence):
    if evidence.record.task_id == "create_plain":
        os._exit(9)
    return Verdict(criterion="FATAL", status=Status.GRADED, reward=1.0, checks=[Check(what="it ends", met=True)])

@hookimpl
def tau2_evaluators():
    return [EvaluatorSpec("fatal", "fatal", "FATAL", fatal, always=True)]
"""

# A set whose first evaluation waits until 220 others have been made. Only the other worker can make them.
WAITING = """
import os
from pathlib import Path
from tau2_core import Check, EvaluatorSpec, Status, Verdict, hookimpl

def waiting(evidence):
    made = os.open("made", os.O_RDWR)
    try:
        Path("first").touch(exist_ok=False)
    except FileExistsError:
        os.write(made, b".")
    else:
        missing = 220
        while missing:
            missing -= len(os.read(made, missing))
    os.close(made)
    return Verdict(criterion="WAITING", status=Status.GRADED, reward=1.0, checks=[Check(what="it ends", met=True)])

@hookimpl
def tau2_evaluators():
    return [EvaluatorSpec("waiting", "waiting", "WAITING", waiting, always=True)]
"""


@pytest.fixture
def played(gym: Gym, tmp_path: Path) -> Path:
    """A run of 54 episodes, some of them solved."""
    done = gym("run", "mock", "--fault", "tool-error=0.4", "--trials", 3, "--name", "played")
    assert done.returncode == 0, done.stderr
    return tmp_path / "runs/played"


def copy(folder: Path, name: str) -> Path:
    return Path(shutil.copytree(folder, folder.with_name(name)))


def test_workers_give_the_grades_of_one_process(gym: Gym, played: Path) -> None:
    one, two = copy(played, "one"), copy(played, "two")
    for folder, by in ((one, ("--executor", "async")), (two, ("--workers", 2))):
        done = gym("grade", folder, "--evaluators", "strict", *by)
        assert done.returncode == 0, done.stderr
    assert (one / "grades.jsonl").read_bytes() == (two / "grades.jsonl").read_bytes()
    assert (one / "grades.jsonl").read_bytes() != (played / "grades.jsonl").read_bytes()
    assert summary(one) == summary(two)
    assert len((two / "grades.jsonl").read_bytes().splitlines()) == 54


def test_a_record_that_ends_every_worker_takes_no_other_with_it(gym: Gym, plugin: Plugin, played: Path) -> None:
    done = gym("grade", played, "--evaluators", "fatal", "--workers", 2, paths=[plugin("fatal", FATAL)])
    assert done.returncode == 0, done.stderr
    grades = [json.loads(line) for line in (played / "grades.jsonl").read_bytes().splitlines()]
    lost = [grade for grade in grades if grade["outcome"] == "evaluator_error"]
    assert sorted((grade["task_id"], grade["trial"]) for grade in lost) == [("create_plain", n) for n in range(3)]
    assert {grade["note"] for grade in lost} == {"its worker ended 2 times, the last time: it exited with status 9"}
    assert sum("FATAL" in grade["verdicts"] for grade in grades) >= 45
    assert summary(played)["outcomes"]["evaluator_error"] == 3


def test_an_episode_whose_grading_ends_every_worker_keeps_its_record(
    gym: Gym, plugin: Plugin, played: Path, tmp_path: Path
) -> None:
    evaluators = {"FATAL": {"use": f"{plugin('fatal', FATAL) / 'fatal.py'}:fatal", "counts": "always"}}
    (tmp_path / "set.yaml").write_text(json.dumps({"name": "more", "extends": "tau2", "evaluators": evaluators}))
    run = ("run", "mock", "--fault", "tool-error=0.4", "--trials", 3, "--evaluators", "set.yaml", "--name", "fatal")
    done = gym(*run, "--executor", "processes", "--workers", 2)
    assert done.returncode == 0, done.stderr
    assert by_slot(tmp_path / "runs/fatal/episodes.jsonl") == by_slot(played / "episodes.jsonl")
    grades = [json.loads(line) for line in by_slot(tmp_path / "runs/fatal/grades.jsonl")]
    lost = [grade["task_id"] for grade in grades if grade["outcome"] == "evaluator_error"]
    assert lost == ["create_plain"] * 3
    assert sum("FATAL" in grade["verdicts"] for grade in grades) == 51


def test_result_files_are_graded_alike_by_workers(gym: Gym, played: Path, tmp_path: Path) -> None:
    assert gym("export", played, "again.json").returncode == 0
    shutil.copy(tmp_path / "again.json", tmp_path / "other.json")
    files = ("again.json", "other.json")
    one, two = (gym("grade", *files, "--json", *by) for by in (("--executor", "async"), ("--workers", 2)))
    assert (one.returncode, two.returncode) == (0, 0), two.stderr
    assert one.stdout == two.stdout
    assert json.loads(one.stdout)["conversations"] == 108


def test_a_slow_part_does_not_hold_up_the_other_worker(gym: Gym, plugin: Plugin, played: Path, tmp_path: Path) -> None:
    assert gym("export", played, "0.json").returncode == 0
    copies = [shutil.copy(tmp_path / "0.json", tmp_path / f"{number}.json") for number in range(1, 6)]
    os.mkfifo(tmp_path / "made")
    paths = [plugin("waiting", WAITING)]
    done = gym("grade", "0.json", *copies, "--evaluators", "waiting", "--workers", 2, "--json", paths=paths)
    assert done.returncode == 0, done.stderr
    graded = json.loads(done.stdout)["grades"]
    assert [each["outcome"] for each in graded].count("evaluator_error") == 0
    assert len(graded) == 6 * 54


def test_a_damaged_record_is_named_and_the_grades_stay(gym: Gym, played: Path) -> None:
    grades = (played / "grades.jsonl").read_bytes()
    lines = (played / "episodes.jsonl").read_bytes().splitlines(keepends=True)
    lines[40] = lines[40].replace(b'"mode": ', b'"moods": ')
    (played / "episodes.jsonl").write_bytes(b"".join(lines))
    for by in ((), ("--workers", 2)):
        done = gym("grade", played, "--evaluators", "strict", *by)
        assert done.returncode == 1
        assert "episodes.jsonl:41: it has the wrong form: " in done.stderr
        assert (played / "grades.jsonl").read_bytes() == grades
        assert not list(played.glob("*.draft"))


def test_workers_audit_what_one_process_audits(gym: Gym) -> None:
    one, two = (gym("check", "mock", "--audit", *by) for by in ((), ("--workers", 2)))
    assert (one.returncode, two.returncode) == (0, 0), two.stderr
    assert one.stdout == two.stdout
    assert "passes" in one.stdout


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("check", "mock", "--audit", "--workers", 0), "greater than or equal to 1"),
        (("check", "mock", "--audit", "--executor", "proceses"), "no executor 'proceses' (did you mean 'processes'?)"),
        (("grade", "runs/played", "--executor", "async", "--workers", 2), "executor 'async' plays in one process"),
    ],
)
def test_what_cannot_be_is_refused(gym: Gym, played: Path, command: tuple[object, ...], said: str) -> None:
    done = gym(*command)
    assert done.returncode == 2
    assert said in done.stderr
