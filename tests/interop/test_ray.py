"""`--executor ray`: the same run on a Ray cluster, also when workers, a node or the run itself are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.executors.runs import assert_same, by_slot
from tests.executors.test_processes import site

from .conftest import FOLDER, run_to_end

__all__ = ["site"]  # a fixture
ROOT = FOLDER.parents[1]
RAY = "ray==2.60.0"
RUN = ("run", "telecom", "--trials", "3")
ON_RAY = ("--executor", "ray", "--workers", "2")
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def python(python_with: Callable[..., Path]) -> Path:
    parts = ("core", "domains/mock", "domains/retail", "domains/telecom", "integrations/ray")
    return python_with("ray", RAY, *(str(ROOT / part) for part in parts))


@pytest.fixture
def environment(site: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(site), "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}


@pytest.fixture
def gym(python: Path, environment: dict[str, str], tmp_path: Path) -> Command:
    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [str(python), "-P", "-m", "tau2_core", *arguments]
        env = environment | more
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=300)

    return run


@pytest.fixture
def undisturbed(gym: Command, tmp_path: Path) -> Path:
    done = gym(*RUN, "--agent", "oracle", "--name", "one")
    assert done.returncode == 0, done.stderr
    return tmp_path / "runs/one"


def test_the_same_run(gym: Command, undisturbed: Path, tmp_path: Path) -> None:
    done = gym(*RUN, "--agent", "oracle", "--name", "ray", *ON_RAY)
    assert done.returncode == 0, done.stderr
    assert_same(undisturbed, tmp_path / "runs/ray")
    assert (undisturbed / "run.json").read_bytes() == (tmp_path / "runs/ray/run.json").read_bytes()


@pytest.mark.parametrize("options", [(), ("--audit",)])
def test_the_same_check(gym: Command, options: tuple[str, ...]) -> None:
    one, two = gym("check", "mock", *options), gym("check", "mock", *options, *ON_RAY)
    assert (one.returncode, two.returncode) == (0, 0), two.stderr
    assert one.stdout == two.stdout
    assert "mock: " in one.stdout


@pytest.mark.parametrize("moment", [3, 30])
def test_a_killed_worker(gym: Command, site: Path, tmp_path: Path, moment: int) -> None:
    run = ("run", "mock", "--trials", "2", "--agent", "killer")
    assert gym(*run, "--name", "one").returncode == 0
    (site / "begun").unlink()
    done = gym(*run, "--name", "ray", *ON_RAY, DISTURB_AT=str(moment))
    assert done.returncode == 0, done.stderr
    assert "a worker has ended" in done.stderr
    assert_same(tmp_path / "runs/one", tmp_path / "runs/ray")


def test_a_killed_run_is_resumed(
    python: Path, environment: dict[str, str], gym: Command, undisturbed: Path, tmp_path: Path
) -> None:
    run = (*RUN, "--agent", "oracle", "--name", "ray", *ON_RAY)
    episodes = tmp_path / "runs/ray/episodes.jsonl"
    with _started([str(python), "-P", "-m", "tau2_core", *run], tmp_path, environment) as process:
        while process.poll() is None and not (episodes.exists() and episodes.stat().st_size):
            os.sched_yield()
        process.kill()
        assert process.wait() == -signal.SIGKILL
    played = len(by_slot(episodes))
    done = gym(*run, "--resume")
    assert done.returncode == 0, done.stderr
    assert 0 < played < len(by_slot(episodes))
    assert_same(undisturbed, tmp_path / "runs/ray")


def test_a_lost_node(python: Path, environment: dict[str, str], undisturbed: Path, tmp_path: Path) -> None:
    command = [str(python), str(FOLDER / "ray_lost_node.py"), str(tmp_path / "runs")]
    said = run_to_end(command, cwd=tmp_path, env=environment, seconds=300)
    assert "mean reward 1.0" in said.splitlines()  # beside what Ray prints
    assert_same(undisturbed, tmp_path / "runs/ray")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("address=127.0.0.1:1",), "no Ray cluster answers at 127.0.0.1:1"),
        (("address=auto",), "cannot use the Ray cluster at auto"),
        (("address=ray://head:10001",), "so start it on a machine of the cluster"),
        (("cpus=many",), "must be a number, 0 or more"),
        (("cpus=4096",), "each worker needs 4096"),
        (("runtime-env=nothing.json",), "cannot be read as JSON"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_bad_options_are_refused(gym: Command, tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    given = [part for option in options for part in ("--executor-option", option)]
    done = gym("run", "mock", "--executor", "ray", *given)
    assert done.returncode != 0
    assert said in done.stderr
    assert not (tmp_path / "runs").exists()


@contextmanager
def _started(command: list[str], cwd: Path, env: dict[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(command, cwd=cwd, env=env, stdout=sys.stderr) as process:
        try:
            yield process
        finally:
            process.kill()
