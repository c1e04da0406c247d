"""`check` by workers: byte for byte the report of one process, even if playing a task ends a worker."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.bakery import FILES, write_bakery
from tests.conftest import Gym
from tests.families.heating import FAMILIES, example_files

BUYING = '\n- {{id: {0}, outcome: {1}, user_scenario: {{instructions: "You want {2}."}},'
BUYING += " evaluation_criteria: {{actions: [{{name: sell, arguments: {{loaf_id: {2}}}}}]}}}}"


def bought(*tasks: tuple[str, str, str]) -> str:
    """Return tasks of given ids and outcomes, in each of which a loaf is sold."""
    return "".join(BUYING.format(*task) for task in tasks)


def alike(gym: Gym, pack: Path) -> CompletedProcess[str]:
    """Check a pack in one process and by two workers, and return the report, which is the same."""
    one, two = (gym("check", "--pack", pack, "--format", "json", *by) for by in ((), ("--workers", 2)))
    assert (one.returncode, one.stdout) == (two.returncode, two.stdout), two.stderr
    return two


def test_mistakes_that_several_tasks_share_are_reported_once(gym: Gym, tmp_path: Path) -> None:
    tasks = bought(("a", "done", "L1"), ("b", "refused", "L2"), ("c", "done", "L9"), ("d", "done", "L8"))
    files = {
        "data/tasks/selling.yaml": tasks,
        "data/splits.yaml": "base: [a, b, c, d]",
        "data/db.yaml": FILES["data/db.yaml"] + "  L8: {loaf_id: L7, title: Oat, left: 1, colour: brown}\n",
        "handlers/counter.py": FILES["handlers/counter.py"].replace("loaf.left -= 1", "loaf.title = 5"),
    }
    report = alike(gym, write_bakery(tmp_path / "bakery", files)).stdout
    codes = [report.count(code) for code in ("T2G032", "T2G033", "T2G048", "T2G051", "T2G054")]
    assert codes == [1, 1, 1, 1, 1], report
    assert report.index("task 'b'") < report.index("task 'c'")


def test_the_tasks_of_families_are_spread(gym: Gym, tmp_path: Path) -> None:
    files = example_files()
    families = files[FAMILIES].replace("fix: [{requestor: user, name: open_valve}]", "fix: []", 1)
    assert families != files[FAMILIES]
    for name, text in {**files, FAMILIES: families}.items():
        file = tmp_path / "heating" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    done = alike(gym, tmp_path / "heating")
    assert done.returncode == 1
    assert "valve_closed" in done.stdout


@pytest.fixture
def fatal(tmp_path: Path) -> Path:
    """A pack with four tasks: two sound ones, one that ends its process, and one whose gold call fails."""
    ending = FILES["handlers/counter.py"].replace("loaf.left -= 1", 'loaf.left -= 1 if loaf_id != "L1" else _end()')
    ending += "\ndef _end():\n    import os\n    os._exit(9)\n"
    tasks = bought(("a", "done", "L2"), ("b", "done", "L3"), ("fatal", "done", "L1"), ("unknown", "done", "L9"))
    files = {"data/tasks/selling.yaml": tasks, "data/splits.yaml": "base: [a, b, fatal, unknown]"}
    files["data/db.yaml"] = FILES["data/db.yaml"] + "  L3: {loaf_id: L3, title: Oat, left: 5}\n"
    return write_bakery(tmp_path / "bakery", {**files, "handlers/counter.py": ending})


ENDED = "its worker ended 2 times, the last time: it exited with status 9"


def test_a_task_that_ends_every_worker_is_named_and_the_others_are_checked(gym: Gym, fatal: Path) -> None:
    done = gym("check", "--pack", fatal, "--workers", 2)
    ended, unknown, closing = done.stdout.splitlines()
    place = fatal / "data/tasks/selling.yaml"
    assert ended.startswith(f"bakery: {place}:3: task 'fatal' cannot be played: {ENDED} (find what ends its process")
    assert ended.endswith("[T2G055]")
    assert unknown.startswith(f"bakery: {place}:4: task 'unknown': gold call sell(loaf_id='L9') fails: no such loaf")
    assert closing == "bakery: 2 problems (1 tools, 4 tasks, 4 played)"
    assert done.returncode == 1


def test_the_audit_names_such_a_task_too(gym: Gym, fatal: Path) -> None:
    done = gym("check", "--audit", "--pack", fatal, "--workers", 2, "--json")
    assert done.stdout, done.stderr
    (audit,) = json.loads(done.stdout)["audits"]
    assert done.returncode == 1
    assert audit["lost"] == {"fatal": ENDED}
    assert (audit["tasks"], audit["played"]["silent"]) == (4, 3)
    shown = gym("check", "--audit", "--pack", fatal, "--workers", 2)
    assert f"bakery: task 'fatal' cannot be audited: {ENDED}\n" in shown.stdout


@pytest.mark.parametrize(
    ("by", "said"),
    [
        (("--workers", 0), "greater than or equal to 1"),
        (("--executor", "proceses"), "no executor 'proceses' (did you mean 'processes'?)"),
        (("--executor", "async", "--workers", 2), "executor 'async' plays in one process"),
        (("--executor", "ray"), "no executor 'ray' (available: async, processes): pip install tau2-gym-ray"),
        (("--workers", 2, "--executor-option", "nice=5"), "executor 'processes' has no option 'nice'"),
    ],
)
def test_what_cannot_be_is_refused(gym: Gym, by: tuple[object, ...], said: str) -> None:
    done = gym("check", "mock", *by)
    assert done.returncode == 2
    assert said in done.stderr
    assert not done.stdout
