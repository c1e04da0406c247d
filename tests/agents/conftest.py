"""Runs whose agent is somewhere else, with a customer that is played by a script."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tau2_core.episode.setting import Setting
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import ScriptedEndpoint

from tests.bakery import in_process


class Played:
    """What a run left."""

    def __init__(self, folder: Path, code: int, output: str) -> None:
        self.folder = folder
        self.code = code
        self.output = output

    def lines(self, name: str) -> list[dict[str, Any]]:
        file = self.folder / name
        return sorted((json.loads(line) for line in file.read_bytes().splitlines()), key=lambda line: line["task_id"])

    @property
    def records(self) -> list[dict[str, Any]]:
        return self.lines("episodes.jsonl")

    @property
    def ends(self) -> list[tuple[str, str]]:
        """How each episode ended, and what came of it, by task."""
        grades = self.lines("grades.jsonl")
        return [(record["termination"], grade["outcome"]) for record, grade in zip(self.records, grades, strict=True)]


Play = Callable[..., Played]


@pytest.fixture
def gold(setting_of: Callable[..., Setting]) -> Callable[[str], GoldScript]:
    return lambda domain: GoldScript.of(setting_of(domain))


@pytest.fixture
def play(tmp_path: Path, gold: Callable[[str], GoldScript]) -> Play:
    """Run the command in this process: `play("--agent", address)`; `domain` is `mock`, the customer plays the gold."""
    count = 0

    def run(*options: object, domain: str = "mock") -> Played:
        nonlocal count
        count += 1
        with ScriptedEndpoint(gold(domain)) as customer:
            arguments = json.dumps({"api_base": customer.url})
            user = ["--user-model", "endpoint/customer", "--user-args", arguments]
            done = in_process("run", domain, *user, "--out", tmp_path, "--name", f"run{count}", *options)
        assert customer.failures == []
        return Played(tmp_path / f"run{count}", done.returncode, done.stdout + done.stderr)

    return run
