"""Runs played once a session through the command line, for tests that read, copy and change their folders."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tau2_core.cli.app import app
from typer.testing import CliRunner, Result

# What is compared differs by the agent or the seed alone; the fault makes the oracle's trials differ.
DISTURBED = ["airline", "--trials", "4", "--num-tasks", "40", "--fault", "tool-error=0.3"]
RUNS: dict[str, list[str]] = {
    "oracle": ["mock", "--trials", "3"],
    "silent": ["mock", "--trials", "3", "--agent", "silent"],
    "few": ["mock", "--trials", "2", "--num-tasks", "6"],
    "few, silent": ["mock", "--trials", "2", "--num-tasks", "6", "--agent", "silent"],
    "disturbed": [*DISTURBED, "--seed", "1"],
    "disturbed again": [*DISTURBED, "--seed", "2"],
    "refusing": [*DISTURBED, "--seed", "3", "--agent", "always-refuse"],
}


class Folder:
    """A run's folder: its files as JSON, read and written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def lines(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.path / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]

    def write_lines(self, name: str, lines: list[dict[str, Any]]) -> None:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (self.path / f"{name}.jsonl").write_text(text, encoding="utf-8")

    def read(self, name: str) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.path / f"{name}.json").read_text(encoding="utf-8"))
        return loaded

    def set_config(self, **values: Any) -> None:
        content = self.read("run") | values
        (self.path / "run.json").write_text(json.dumps(content), encoding="utf-8")

    def end(self, number: int, termination: str) -> None:
        """Let the n-th recorded episode have ended so."""
        records = self.lines("episodes")
        records[number] |= {"termination": termination, "error": "by the test"}
        self.write_lines("episodes", records)


def command(*arguments: object) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)


@pytest.fixture(scope="session")
def tau2_gym() -> Callable[..., Result]:
    """Run a command in this process: `tau2_gym("report", folder)`; errors of ours are raised."""
    return command


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Folder]:
    """Return one of `RUNS`, not to be changed."""
    home = tmp_path_factory.mktemp("runs")

    def get(name: str) -> Folder:
        if not (home / name).exists():
            done = command("run", *RUNS[name], "--out", home, "--name", name)
            assert done.exit_code == 0, done.output
        return Folder(home / name)

    return get


@pytest.fixture
def copied(recorded: Callable[[str], Folder], tmp_path: Path) -> Callable[..., Folder]:
    """Copy one of `RUNS`, to be changed."""

    def get(name: str, new: str = "copy") -> Folder:
        return Folder(Path(shutil.copytree(recorded(name).path, tmp_path / new)))

    return get


@pytest.fixture
def figures(tau2_gym: Callable[..., Result]) -> Callable[[Folder], dict[str, Any]]:
    """Return what `tau2-gym report --json` says of one run."""

    def read(folder: Folder) -> dict[str, Any]:
        done = tau2_gym("report", folder, "--json")
        assert done.exit_code == 0, done.output
        (found,) = json.loads(done.stdout)
        assert isinstance(found, dict)
        return found

    return read
