"""The command line's own help: whole first lines, examples that work where one stands, version and completion."""

from __future__ import annotations

import inspect
import os
import signal
import subprocess
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pytest
from tau2_core.cli.app import OWN_COMMANDS, app
from typer.testing import CliRunner


@cache
def help_of(*arguments: str, columns: int) -> str:
    done = CliRunner().invoke(app, [*arguments, "--help"], env={"COLUMNS": str(columns)})
    assert done.exit_code == 0, done.output
    return done.output


def first_line(name: str) -> str:
    return inspect.cleandoc(OWN_COMMANDS[name].callback.__doc__ or "").partition("\n")[0]


def example_of(name: str, columns: int = 80) -> list[str]:
    """Return the commands that a command's help ends with."""
    _, _, text = help_of(name, columns=columns).partition("\n  Example:\n")
    return [line.strip() for line in text.splitlines()]


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_the_list_of_commands_is_not_truncated(columns: int) -> None:
    shown = " ".join(help_of(columns=columns).split())
    for name in OWN_COMMANDS:
        assert f"{name} {first_line(name)}" in shown


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("name", OWN_COMMANDS)
def test_the_help_of_a_command_has_a_summary_and_an_example(name: str, columns: int) -> None:
    shown = " ".join(help_of(name, columns=columns).split()).replace("- ", "-")  # a word with a hyphen may be broken
    assert first_line(name).replace("- ", "-") in shown
    assert example_of(name, columns) == example_of(name, 500)
    assert any(line.startswith(f"tau2-gym {name}") for line in example_of(name))


@pytest.mark.domain("airline", "mock", "retail")
def test_every_example_works_in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in OWN_COMMANDS:
        for line in example_of(name):
            if name != "serve":  # goes on until it is stopped
                run(line)


def run(line: str) -> None:
    """Run a line of an example as a shell does, but for our command, which runs in this process."""
    if not line.startswith("tau2-gym "):
        subprocess.run(["bash", "-ec", line], check=True, timeout=60)
        return
    done = CliRunner().invoke(app, shell_words(line))
    assert done.exit_code == 0, f"$ {line}\n{done.output}"
    assert done.output, line


def shell_words(line: str) -> list[str]:
    _command, *words = line.split()
    return words


@pytest.mark.domain("airline", "retail")
def test_the_example_of_serve_serves(tmp_path: Path) -> None:
    (line,) = example_of("serve")
    *words, port = shell_words(line)
    assert words[-1] == "--port"
    start = [sys.executable, "-P", "-m", "tau2_core", *words, port and "0"]
    with subprocess.Popen(start, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline().startswith("serving airline, retail at http://127.0.0.1:")
        finally:
            server.send_signal(signal.SIGTERM)


def test_the_version_is_that_of_the_core() -> None:
    assert CliRunner().invoke(app, ["--version"]).output == f"tau2-gym {version('tau2-core')}\n"


def test_completion_is_installed_and_completes_commands_and_options(tmp_path: Path) -> None:
    command = Path(sys.executable).parent / "tau2-gym"
    home = {**os.environ, "HOME": str(tmp_path)}

    def out(*arguments: str, **variables: str) -> str:
        done = subprocess.run(
            [str(command), *arguments], env=home | variables, capture_output=True, text=True, check=True, timeout=60
        )
        assert done.stderr == ""
        return done.stdout

    out("--install-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    (script,) = (tmp_path / ".bash_completions").iterdir()
    assert str(script) in (tmp_path / ".bashrc").read_text(encoding="utf-8")
    asked = script.read_text(encoding="utf-8")
    assert "_TAU2_GYM_COMPLETE=complete_bash" in asked
    for words, wanted in (
        ("tau2-gym re", ["report", "replay"]),
        ("tau2-gym run --agent-", ["--agent-model", "--agent-args"]),
    ):
        given = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
        assert out(_TAU2_GYM_COMPLETE="complete_bash", **given).split() == wanted
