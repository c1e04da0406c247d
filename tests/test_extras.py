"""The core works without its extras, and names the missing one when it is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.domain("mock")
Gym = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def without(tmp_path: Path) -> Callable[..., Path]:
    """Return a folder for PYTHONPATH with which libraries cannot be imported, as if they were not installed."""

    def hide(*libraries: str) -> Path:
        folder = tmp_path / "hidden"
        folder.mkdir()
        for library in libraries:
            (folder / f"{library}.py").write_text(f"raise ImportError({library!r})", encoding="utf-8")
        return folder

    return hide


def test_a_run_is_played_and_graded(gym: Gym, without: Callable[..., Path]) -> None:
    done = gym("run", "mock", paths=[without("litellm", "scipy", "numpy")])
    assert done.returncode == 0, done.stderr
    assert "mean reward 1.0000" in done.stdout


def test_a_model_needs_litellm(gym: Gym, without: Callable[..., Path]) -> None:
    done = gym("run", "mock", "--agent-model", "openai/gpt-4.1", paths=[without("litellm")])
    assert done.returncode == 2
    assert "need litellm, which is not installed: pip install 'tau2-core[models]'" in done.stderr


def test_parquet_needs_pyarrow(gym: Gym, without: Callable[..., Path]) -> None:
    assert gym("run", "mock", "--agent", "silent", "--name", "one").returncode == 0
    done = gym("export", "runs/one", "rows.parquet", paths=[without("pyarrow")])
    assert done.returncode == 2
    assert "pip install 'tau2-core[parquet]'" in done.stderr


@pytest.mark.parametrize(
    ("library", "folder", "program", "advice"),
    [
        ("gymnasium", "gymnasium", "import tau2_gymnasium", "need Gymnasium, which is not installed: pip install tau2"),
        (
            "pettingzoo",
            "gymnasium",
            "from tau2_gymnasium import BothSidesEnv",
            "need PettingZoo, which is not installed: pip install 'tau2-gym-gymnasium[pettingzoo]'",
        ),
        ("verifiers", "verifiers", "import tau2_gym_verifiers", "pip install tau2-gym-verifiers"),
        (
            "datasets",
            "trl",
            "from tau2_trl import Tau2Spec; Tau2Spec('mock').rollout_dataset",
            "pip install tau2-gym-trl",
        ),
    ],
)
def test_an_integration_needs_its_library(
    without: Callable[..., Path], library: str, folder: str, program: str, advice: str
) -> None:
    if library == "pettingzoo":
        pytest.importorskip("gymnasium")
    paths = os.pathsep.join(map(str, [without(library), ROOT / "integrations" / folder / "src"]))
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert advice in done.stderr.splitlines()[-1]


def test_intervals_need_scipy(gym: Gym, without: Callable[..., Path]) -> None:
    assert gym("run", "mock", "--agent", "silent", "--name", "one").returncode == 0
    assert gym("run", "mock", "--name", "two").returncode == 0
    hidden = without("scipy", "numpy")
    for command in (["report", "runs/one"], ["compare", "runs/one", "runs/two"]):
        done = gym(*command, paths=[hidden])
        assert done.returncode == 2
        assert "pip install 'tau2-core[stats]'" in done.stderr


def test_a_study_needs_scipy_before_it_is_played(gym: Gym, without: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("{run: {domain: mock, num_tasks: 1}, factors: {seed: [1, 2]}}", encoding="utf-8")
    done = gym("study", "s.yaml", paths=[without("scipy", "numpy")])
    assert done.returncode == 2
    assert "studies need scipy, which is not installed: pip install 'tau2-core[stats]'" in done.stderr
    assert not (tmp_path / "runs").exists()
