"""A run from a file: all options of the command line, printed by --show-config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tau2_core.cli.app import app
from tau2_core.errors import UsageError
from typer.testing import CliRunner


def shown(*arguments: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["run", *arguments, "--show-config"])
    assert done.exit_code == 0, done.output
    value: dict[str, Any] = yaml.safe_load(done.stdout)
    return value


def test_what_is_shown_is_read_back_as_the_same(tmp_path: Path) -> None:
    options = ["mock", "--trials", "3", "--task", "create_plain", "--task", "complete_task", "--user-model", "openai/x"]
    first = shown(*options, "--user-args", '{"temperature": 0.5}', "--fault", "latency=0.1", "--fail-under", "0.5")
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(first))
    again = shown("--config", str(file))
    assert again == first
    assert again["trials"] == 3
    assert again["task"] == ["create_plain", "complete_task"]
    assert again["user"] == {"name": None, "model": "openai/x", "args": {"temperature": 0.5}, "carry": "auto"}


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("domain: mock\ntrials: 4\nagent: {model: openai/a, args: {top_p: 1, temperature: 0}}\nsolo: true\n")
    found = shown("retail", "--config", str(file), "--trials", "1", "--agent-args", '{"temperature": 1}')
    assert (found["domain"], found["trials"], found["solo"]) == (["retail"], 1, True)
    assert found["agent"]["args"] == {"top_p": 1, "temperature": 1}


def test_no_secret_is_shown(tmp_path: Path) -> None:
    secret = "sk-not-for-anybody"
    done = CliRunner().invoke(
        app, ["run", "mock", "--agent-model", "openai/x", "--agent-args", f'{{"api_key": "{secret}"}}', "--show-config"]
    )
    assert done.exit_code == 0
    assert secret not in done.output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("domain: mock\ntrails: 2\n", ["run.yaml:2", "trails", "trials"]),
        ("domain: mock\nsplit: base\nattempts: 0\n", ["run.yaml:3", "attempts"]),
        ("agent: {modell: openai/x}\n", ["run.yaml:1", "modell", "model"]),
    ],
)
def test_a_mistake_in_the_file_is_named_by_line(tmp_path: Path, text: str, said: list[str]) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    done = CliRunner().invoke(app, ["run", "mock", "--config", str(file)])
    assert isinstance(done.exception, UsageError)
    assert [word for word in said if word not in str(done.exception)] == []


def test_a_run_is_played_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(f"domain: mock\ntask: create_plain\ntrials: 2\nname: r\nout: {tmp_path / 'runs'}\n")
    done = CliRunner().invoke(app, ["run", "--config", str(file), "--json"])
    assert done.exit_code == 0, done.output
    assert len((tmp_path / "runs/r/grades.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("limit", ["2", "-0.1", "nan"])
def test_a_threshold_that_no_mean_can_have_is_refused(limit: str) -> None:
    done = CliRunner().invoke(app, ["run", "mock", "--fail-under", limit])
    assert isinstance(done.exception, UsageError)
    assert "--fail-under should be between 0 and 1" in str(done.exception)
