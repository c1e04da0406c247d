"""The core works without its extras, and says which one is missing where it is needed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

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


def test_an_interval_needs_scipy(gym: Gym, without: Callable[..., Path]) -> None:
    assert gym("run", "mock", "--agent", "silent", "--name", "one").returncode == 0
    assert gym("run", "mock", "--name", "two").returncode == 0
    hidden = without("scipy", "numpy")
    for command in (["report", "runs/one"], ["compare", "runs/one", "runs/two"]):
        done = gym(*command, paths=[hidden])
        assert done.returncode == 2
        assert "pip install 'tau2-core[stats]'" in done.stderr
