"""The command `view`: its help, its examples, and what it refuses."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.domain("mock")
Gym = Callable[..., subprocess.CompletedProcess[str]]


def test_its_help_shows_an_example_that_works(gym: Gym, tmp_path: Path) -> None:
    shown = gym("view", "--help", COLUMNS="200").stdout
    assert "Open the workbench" in shown
    _, _, example = shown.partition("Example:\n")
    for line in example.strip().splitlines():
        done = gym(*line.split()[1:])
        assert (done.returncode, done.stderr) == (0, ""), line
    assert (tmp_path / "pages" / "runs" / "first" / "index.html").is_file()


def test_a_public_address_requires_a_token(gym: Gym) -> None:
    done = gym("view", "--host", "0.0.0.0", "--no-open")
    assert done.returncode == 2
    assert "give a --token" in done.stderr


def test_a_port_in_use_is_named(gym: Gym) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = gym("view", "--no-open", "--port", taken.getsockname()[1])
    assert done.returncode == 2
    assert "choose another --port" in done.stderr


def test_an_export_overwrites_nothing(gym: Gym, runs: Path, tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "mine").write_text("keep")
    done = gym("view", "--export", "pages", runs / "oracle")
    assert (done.returncode, (tmp_path / "pages" / "mine").read_text()) == (2, "keep")
    assert "choose a new one" in done.stderr
    done = gym("view", "--export", "other", tmp_path / "nothing")
    assert done.returncode == 2
    assert "there is no readable run" in done.stderr
