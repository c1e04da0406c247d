"""The same run of 300 slots in one process, by workers and on Ray, also from a cassette. (The suite plays few.)"""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from tau2_core.model.participants import STOP
from tau2_core.testing.scripted_endpoint import Asked, Reply, call, say

from tests.conftest import Gym
from tests.executors.runs import assert_same, by_slot
from tests.executors.test_processes import PROCESSES, site
from tests.llm.conftest import Played, arguments_for, gold, litellm_ready, models_of, play

from .test_ray import ON_RAY, Command, environment, python
from .test_ray import gym as ray

__all__ = ["environment", "gold", "litellm_ready", "play", "python", "ray", "site"]  # fixtures
SLOTS = ("--num-tasks", "100", "--trials", "3")
LAST_TURN = 6
MODELS = models_of("endpoint")


def wander(asked: Asked) -> Reply:
    """Answer in either role with a tool call or a sentence that the whole request decides."""
    chance = sha256(json.dumps(asked.messages, sort_keys=True).encode()).digest()[0]
    if "customer" in asked.model and asked.answered >= LAST_TURN:
        return say(STOP)
    tools = [tool["function"] for tool in asked.body.get("tools", ())]
    simple = [tool["name"] for tool in tools if not tool["parameters"].get("required")]
    if simple and chance % 3:
        return call((simple[chance % len(simple)], {}))
    return say(f"It is number {chance}.")


@pytest.mark.parametrize("domain", ["retail", "telecom"])
def test_without_models(gym: Gym, ray: Command, tmp_path: Path, domain: str) -> None:
    options = ("run", domain, *SLOTS, "--fault", "tool-error=0.05", "--name")
    assert gym(*options, "one").returncode == 0
    for workers in (2, 4):
        done = gym(*options, str(workers), *PROCESSES, workers)
        assert done.returncode == 0, done.stderr
        assert_same(tmp_path / "runs/one", tmp_path / "runs" / str(workers))
    done = ray(*options, "ray", *ON_RAY)
    assert done.returncode == 0, done.stderr
    assert_same(tmp_path / "runs/one", tmp_path / "runs/ray")


@pytest.mark.parametrize(("domain", "script"), [("retail", None), ("telecom", wander)])
def test_a_cassette_can_judge(
    play: Callable[..., Played],
    ray: Command,
    tmp_path: Path,
    domain: str,
    script: Callable[[Asked], Reply] | None,
) -> None:
    tape = tmp_path / "cassette.jsonl"
    recorded = play(*SLOTS, "--record", tape, domain=domain, models=MODELS, script=script)
    assert recorded.code == 0, recorded.error
    one = play(*SLOTS, "--replay", tape, domain=domain, models=MODELS)
    assert len(by_slot(one.folder / "episodes.jsonl")) == 300
    for workers in (2, 4):
        replayed = play(*SLOTS, "--replay", tape, *PROCESSES, workers, domain=domain, models=MODELS)
        assert (replayed.code, replayed.asked) == (0, []), replayed.error
        assert_same(one.folder, replayed.folder)
    models = arguments_for("http://127.0.0.1:9/v1", MODELS, {})
    done = ray("run", domain, *models, *SLOTS, "--replay", str(tape), "--name", "ray", *ON_RAY)
    assert done.returncode == 0, done.stderr
    assert_same(one.folder, tmp_path / "runs/ray")
