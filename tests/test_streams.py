"""The command line with closed, full or abandoned standard streams, and names that a file system refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Gym = Callable[..., subprocess.CompletedProcess[str]]
RUN = f"{sys.executable} -m tau2_core run mock --num-tasks 1"


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", command], cwd=folder, capture_output=True, text=True, timeout=60, check=False, env=os.environ
    )


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
class TestStreams:
    @pytest.mark.parametrize(
        ("via", "closed"),
        [
            *(("process", closed) for closed in ("<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-")),
            *(("mcp", closed) for closed in ("<&-", "<&- >&- 2>&-")),  # all are opened again before a server starts
        ],
    )
    def test_a_run_with_closed_streams_is_played(self, tmp_path: Path, closed: str, via: str) -> None:
        done = shell(f"{RUN} --name r --via {via} {closed}", tmp_path)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "runs" / "r" / "summary.json").is_file()
        for file in (tmp_path / "runs" / "r").iterdir():  # nothing that was printed went into a file of the run
            assert "mean reward" not in file.read_text(encoding="utf-8")

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    @pytest.mark.parametrize("options", ["", "--json"])
    def test_a_full_disk_behind_standard_output_is_reported(self, tmp_path: Path, options: str) -> None:
        done = shell(f"{RUN} --name r {options} > /dev/full", tmp_path)
        assert done.returncode == 1
        assert done.stderr == "error: cannot write standard output: No space left on device\n"

    def test_a_reader_that_leaves_ends_it_quietly(self, gym: Gym, tmp_path: Path) -> None:
        """Tables, JSON, texts and the parser's own help are printed in different ways."""
        assert gym("run", "mock", "--num-tasks", 1, "--name", "r").returncode == 0
        for command in ("report runs/r", "report --json runs/r", "describe mock", "--help"):
            done = shell(f"{sys.executable} -m tau2_core {command} | true", tmp_path)
            assert done.stderr == ""


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("..", "should be a folder name without a path"),
        (".", "should be a folder name without a path"),
        ("a:b", "contains ':', which Windows refuses in a name"),
        ("why?", "contains '?', which Windows refuses in a name"),
        ("a*|b", "contains '*', which Windows refuses in a name"),
        ("CON", "contains 'CON', which Windows refuses in a name"),
        ("nul.2", "contains 'nul.', which Windows refuses in a name"),
        ("ends.", "contains '.', which Windows refuses in a name"),
        ("ends ", "contains ' ', which Windows refuses in a name"),
        ("", "should be a folder name without a path"),
        ("a/b", "should be a folder name without a path"),
        ("x" * 300, "is 300 bytes long"),
        ("é" * 200, "is 400 bytes long"),
        ("bell\x07", "contains unprintable characters"),
        ("two\nlines", "contains unprintable characters"),
        ("not \udcff UTF-8", "contains unprintable characters"),
    ],
)
def test_a_name_that_a_file_system_refuses_is_an_error_in_words(gym: Gym, name: str, says: str, tmp_path: Path) -> None:
    done = gym("run", "mock", "--num-tasks", "1", "--name", name)
    assert done.returncode == 2
    assert done.stderr.startswith("error: --name ")
    assert says in done.stderr
    assert "\x07" not in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("place", ["file", "file/below", "x" * 300, "nul"])
def test_a_place_that_a_file_system_refuses_is_an_error_in_words(gym: Gym, place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    out = "/dev/null/x" if place == "nul" else place
    done = gym("run", "mock", "--num-tasks", "1", "--out", out)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", [["report"], ["compare", "a"], ["grade"], ["export"]])
def test_a_run_that_a_file_system_refuses_is_an_error_in_words(gym: Gym, command: list[Any], tmp_path: Path) -> None:
    for place in ("x" * 300, "file/below", ".."):
        done = gym(*command, place, *(["out.json"] if command == ["export"] else []))
        assert done.returncode in (1, 2)
        assert done.stderr.startswith("error: ")


@pytest.mark.parametrize("limit", ["2", "-0.1", "inf", "nan"])
def test_a_limit_that_no_mean_can_reach_is_refused(gym: Gym, limit: str) -> None:
    done = gym("run", "mock", "--num-tasks", "1", "--fail-under", limit)
    assert done.returncode == 2
    assert "--fail-under should be between 0 and 1" in done.stderr
