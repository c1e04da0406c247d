"""How long each message took: beside the record in `timings.jsonl`, wherever the episode was played."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tau2_core.runs.loading import load_setting, open_catalogue
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import ScriptedEndpoint

from tests.conftest import Gym

pytestmark = pytest.mark.domain("mock")
WAIT = 0.02


@pytest.fixture
def models() -> Iterator[list[str]]:
    """The options for an agent and a customer that answer after some milliseconds."""
    with ScriptedEndpoint(GoldScript.of(load_setting(open_catalogue(), "mock")), latency=WAIT) as endpoint:
        place = json.dumps({"api_base": endpoint.url})
        names = ("--agent-model", "endpoint/agent", "--user-model", "endpoint/customer")
        yield [*names, "--agent-args", place, "--user-args", place]


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (folder / name).read_text().splitlines()]
    return sorted(found, key=lambda line: (line["trial"], line["task_id"]))


@pytest.mark.parametrize("where", [[], ["--executor", "processes", "--workers", 2]], ids=["here", "processes"])
def test_messages_of_models_have_their_seconds(gym: Gym, models: list[str], tmp_path: Path, where: list[Any]) -> None:
    done = gym("run", "mock", "--split", "test", *models, *where, "--name", "r")
    assert done.returncode == 0, done.stderr
    episodes, timings = (lines(tmp_path / "runs/r", name) for name in ("episodes.jsonl", "timings.jsonl"))
    tasks = load_setting(open_catalogue(), "mock").tasks()
    for record, timing in zip(episodes, timings, strict=True):
        given = len(tasks[record["task_id"]].history()) or 1  # without a history, the opening
        answers = list(enumerate(record["messages"]))[given:]
        for speaker, role in (("agent", "assistant"), ("user", "user")):
            said = [str(number) for number, each in answers if each["role"] == role]
            assert list(timing["latency"][speaker]) == said
            assert min(timing["latency"][speaker].values()) >= WAIT
        assert sum(timing["latency"]["agent"].values()) < timing["play_seconds"]


def test_a_resume_and_a_merge_keep_them(gym: Gym, models: list[str], tmp_path: Path) -> None:
    run = ("run", "mock", "--split", "test", *models)
    parts = ["runs/1", "runs/2"]
    for number in (1, 2):
        done = gym(*run, "--shard", f"{number}/2", "--name", number)
        assert done.returncode == 0, done.stderr
    before = [each for part in parts for each in lines(tmp_path / part, "timings.jsonl")]
    assert gym(*run, "--shard", "1/2", "--name", "1", "--resume").returncode == 0
    assert gym("merge", *parts, "--into", "runs/whole").returncode == 0
    merged = lines(tmp_path / "runs/whole", "timings.jsonl")
    assert sorted(before, key=lambda line: line["task_id"]) == sorted(merged, key=lambda line: line["task_id"])
    assert all("latency" in timing for timing in merged)
