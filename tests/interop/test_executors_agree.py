"""The same run of 300 slots in one process and by workers, also from a cassette. (The suite plays few.)"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Gym
from tests.executors.runs import assert_same
from tests.executors.test_processes import PROCESSES
from tests.llm.conftest import Played, gold, litellm_ready, models_of, play

__all__ = ["gold", "litellm_ready", "play"]  # fixtures
SLOTS = ("--num-tasks", 100, "--trials", 3)


@pytest.mark.parametrize("domain", ["retail", "telecom"])
def test_without_models(gym: Gym, tmp_path: Path, domain: str) -> None:
    options = ("run", domain, *SLOTS, "--fault", "tool-error=0.05", "--name")
    assert gym(*options, "one").returncode == 0
    for workers in (2, 4):
        done = gym(*options, str(workers), *PROCESSES, workers)
        assert done.returncode == 0, done.stderr
        assert_same(tmp_path / "runs/one", tmp_path / "runs" / str(workers))


@pytest.mark.parametrize("domain", ["retail", "telecom"])
def test_a_cassette_can_judge(play: Callable[..., Played], tmp_path: Path, domain: str) -> None:
    models, tape = models_of("endpoint"), tmp_path / "cassette.jsonl"
    recorded = play(*SLOTS, "--record", tape, domain=domain, models=models)
    assert recorded.code == 0, recorded.error
    one = play(*SLOTS, "--replay", tape, domain=domain, models=models)
    for workers in (2, 4):
        replayed = play(*SLOTS, "--replay", tape, *PROCESSES, workers, domain=domain, models=models)
        assert (replayed.code, replayed.asked) == (0, []), replayed.error
        assert_same(one.folder, replayed.folder)
