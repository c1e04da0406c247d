"""Calls that were recorded from the official `mock`, replayed over a domain in Python that does what it does.

The domain is written on the stand-in from the description of `mock`, and reads the official data. So what wraps it is
held against the official contents, hashes and assertions, although the official package is not there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from .conftest import DOMAINS

Desk = Callable[..., CompletedProcess[str]]


@pytest.fixture
def desk(gym: Desk, shared: Path, installed_domains: frozenset[str]) -> Desk:
    data = str(shared / "tau2-bench" / "data" / "tau2" / "domains" / "mock")
    blocked = ["--no-plugin", "mock"] if "mock" in installed_domains else []
    return lambda *words: gym(*words, *blocked, "--pack-tau2", "desk.environment", paths=[DOMAINS], DESK_DATA=data)


@pytest.mark.parametrize("kind", ["", ".odd"])
def test_recorded_calls_are_replayed_without_a_mismatch(desk: Desk, shared: Path, kind: str) -> None:
    done = desk("replay", shared / "conformance" / "calls" / f"mock{kind}.jsonl.gz")
    found = re.fullmatch(r"episodes (\d+), calls (\d+), mismatches 0\n", done.stdout)
    assert found is not None, done.stdout[-2000:] + done.stderr
    assert int(found[2]) > 100


def test_recorded_conversations_get_the_official_verdicts(desk: Desk, shared: Path) -> None:
    files = sorted((shared / "conformance" / "simulations" / "mock").glob("*.gz"))
    agreement = json.loads(desk("grade", *files, "--compare", "--json").stdout)["agreement"]
    assert agreement["disagreements"] == []
    assert agreement["agreed"] > 10


def test_official_tasks_are_played_as_they_are_and_check_names_what_is_wrong_with_them(
    desk: Desk, tmp_path: Path
) -> None:
    done = desk("run", "mock", "--name", "it")
    assert done.returncode == 0, done.stderr
    grades = [json.loads(line) for line in (tmp_path / "runs" / "it" / "grades.jsonl").read_bytes().splitlines()]
    rewards = {grade["task_id"]: grade["reward"] for grade in grades}
    assert len(rewards) == 10
    # The gold of these does not do what their assertions require.
    unmet = {"update_task_with_history_and_env_assertions", "update_task_with_user_tools"}
    assert {name for name, reward in rewards.items() if reward == 0.0} == unmet
    checked = desk("check")
    assert checked.returncode == 1
    assert "task 'create_task_1_nl_eval': DB is in its reward basis, but it has no `actions`" in checked.stdout
    alone = desk("run", "mock", "--solo", "--user", "none", "--name", "alone")
    assert alone.returncode == 0, alone.stderr
    assert "2 tasks of mock need a customer and are left out" in alone.stderr
