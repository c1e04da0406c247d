"""docs/reference/gym-server.md is correct: its curl walk-through runs, and its tables have every refusal, limit and
path."""

from __future__ import annotations

import re
import shutil
import subprocess
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import tau2_core.gym
from tau2_core.errors import RunError, Tau2GymError, UsageError
from tau2_core.gym import errors

if TYPE_CHECKING:
    from tests.gym.conftest import Start

TEXT = (Path(__file__).parents[2] / "docs" / "reference" / "gym-server.md").read_text(encoding="utf-8")
SOURCES = [file.read_text(encoding="utf-8") for file in Path(next(iter(tau2_core.gym.__path__))).rglob("*.py")]
SHOWN_ADDRESS = "http://127.0.0.1:8700"
MARK = "====="


def session() -> list[tuple[str, str]]:
    """Return the commands of the walk-through with their documented output."""
    (block,) = re.findall(r"^```\n(\$ curl .*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    steps = []
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        first, *rest = part.rstrip("\n").split("\n")
        more = [line.removeprefix("> ") for line in rest if line.startswith("> ")]
        steps.append(("\n".join([first, *more]), "\n".join(line for line in rest if not line.startswith("> "))))
    return steps


def pattern(shown: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(piece) for piece in shown.split("...")), re.DOTALL)


def test_the_walk_through_prints_what_is_documented(start: Start, tmp_path: Path) -> None:
    curl, bash = shutil.which("curl"), shutil.which("bash")
    if curl is None or bash is None:
        pytest.skip("there is no curl, or no bash")
    server = start("mock")
    steps = session()
    script = "\n".join(f"{command}\necho\necho {MARK}" for command, _ in steps).replace(SHOWN_ADDRESS, server.address)
    done = subprocess.run([bash, "-euo", "pipefail", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    printed = [part.strip() for part in done.stdout.split(MARK)]
    for (command, shown), output in zip(steps, printed, strict=False):
        assert pattern(shown.replace(SHOWN_ADDRESS, server.address)).fullmatch(output), f"{command}\n{output}"
    assert len(printed) == len(steps) + 1
    (record,) = server.kept()
    assert record["termination"] == "user_stop"


def test_every_refusal_is_in_the_table() -> None:
    raised = {found for text in SOURCES for found in re.findall(r'RefusedError\(\s*(\d{3}), "(\w+)"', text)}
    raised |= {("404", "not_found"), ("405", "method_not_allowed")}  # those of the frameworks
    rows = re.findall(r"^\| (\d{3}) \| (.+?) \|", TEXT, re.MULTILINE)
    documented = {(status, code) for status, codes in rows for code in re.findall(r"`(\w+)`", codes)}
    assert {pair for pair in raised if pair != ("413", "too_large")} == documented


def test_every_kind_of_error_has_its_refusal() -> None:
    assert set(signature(errors.as_refusal).parameters) == {"error"}
    assert errors.as_refusal(RunError("full disk")).status == 507
    assert errors.as_refusal(UsageError("no such name")).status == 422
    assert errors.as_refusal(Tau2GymError("broken")).status == 424
