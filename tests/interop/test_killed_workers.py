"""Workers killed at twenty moments of a run or of a server, and runs killed at ten: nothing is lost.

(The suite tries one or two of each.)
"""

from __future__ import annotations

import signal
from pathlib import Path
from random import Random

import pytest

from tests.conftest import Gym
from tests.executors.runs import assert_same
from tests.executors.test_processes import MOCK, PROCESSES, site, undisturbed
from tests.gym.conftest import start
from tests.gym.processes.conftest import workers_of
from tests.gym.processes.test_ends import test_a_worker_is_killed_while_many_sessions_are_under_way

__all__ = [  # fixtures, and a test of more sessions here
    "site",
    "start",
    "test_a_worker_is_killed_while_many_sessions_are_under_way",
    "undisturbed",
    "workers_of",
]
MOMENTS = Random(17).sample(range(1, 37), 20)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_worker(gym: Gym, undisturbed: Path, site: Path, tmp_path: Path, moment: int) -> None:
    done = gym(*MOCK, "--agent", "killer", "--name", "r", *PROCESSES, 2, paths=[site], DISTURB_AT=str(moment))
    assert done.returncode == 0, done.stderr
    assert "a worker has ended" in done.stderr
    assert_same(undisturbed, tmp_path / "runs/r")


@pytest.mark.parametrize("moment", MOMENTS[:10])
def test_a_killed_run(gym: Gym, undisturbed: Path, site: Path, tmp_path: Path, moment: int) -> None:
    run = (*MOCK, "--agent", "killer", "--name", "r", *PROCESSES, 2)
    disturbed = {"DISTURB_AT": str(moment), "DISTURB_RUN": str(int(signal.SIGKILL))}
    assert gym(*run, paths=[site], **disturbed).returncode == -signal.SIGKILL
    done = gym(*run, "--resume", paths=[site])
    assert done.returncode == 0, done.stderr
    assert_same(undisturbed, tmp_path / "runs/r")


@pytest.fixture
def size() -> tuple[int, int]:
    """How many sessions of a server there are, and how many of its workers are killed."""
    return 200, 20
