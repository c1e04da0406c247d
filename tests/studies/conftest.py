"""Studies with models behind a scripted endpoint, whose customer behaves as its prompt says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from tau2_core.cli.app import app
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import Asked, Reply, ScriptedEndpoint, say
from typer.testing import CliRunner, Result

TASKS = ["create_plain", "create_with_description", "complete_task", "reopen_task"]
IN_THE_CAREFUL_PROMPT = "go through these questions"


def command(*arguments: object, columns: int = 80) -> Result:
    """Run a command in this process; errors of ours are raised."""
    given = [str(each) for each in arguments]
    return CliRunner().invoke(app, given, env={"COLUMNS": str(columns)}, catch_exceptions=False)


@dataclass
class Script:
    """Play the gold, except that a customer with the careful prompt leaves at once in the tasks `left`."""

    gold: GoldScript
    left: Sequence[str] = ()
    asked: list[str] = field(default_factory=list)
    on_request: Callable[[int], object] = lambda _number: None  # called with the number of the request

    def __call__(self, asked: Asked) -> Reply:
        self.asked.append(asked.model)
        self.on_request(len(self.asked))
        reply = self.gold(asked)
        if "customer" in asked.model and IN_THE_CAREFUL_PROMPT in asked.system:
            opening = str(reply.message.get("content") or "")
            if any(f"⟦{task}⟧" in opening for task in self.left):
                return say("###STOP###")
        return reply


@pytest.fixture
def script() -> Script:
    return Script(GoldScript.of_domain("mock"))


@pytest.fixture
def endpoint(script: Script) -> Iterator[ScriptedEndpoint]:
    with ScriptedEndpoint(script) as opened:
        yield opened


@pytest.fixture
def write(tmp_path: Path, endpoint: ScriptedEndpoint) -> Callable[..., Path]:
    """Write a study's file: models play four tasks twice, with these factors and further options."""

    def write_file(factors: dict[str, Any], name: str = "grid", **options: Any) -> Path:
        def model(name: str) -> dict[str, Any]:
            return {"model": f"endpoint/{name}", "args": {"api_base": endpoint.url}}

        run = {"domain": "mock", "agent": model("agent"), "user": model("customer"), "task": TASKS, "trials": 2}
        content = {"run": {**run, "out": str(tmp_path / "runs"), **options}, "factors": factors}
        file = tmp_path / f"{name}.yaml"
        file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        return file

    return write_file


def reported(*arguments: object) -> dict[str, Any]:
    """Run `study --json` and return the report."""
    done = command("study", *arguments, "--json")
    assert done.exit_code == 0, done.output
    loaded: dict[str, Any] = json.loads(done.stdout)
    return loaded
