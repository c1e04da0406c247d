"""Runs that people label: one with failures, and one with a judge behind the scripted endpoint."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tau2_core import evaluate
from tau2_core.cli.app import app
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import ScriptedEndpoint
from typer.testing import CliRunner, Result

TASKS = ["create_plain", "complete_task"]


@pytest.fixture(scope="session")
def _played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("annotated")
    evaluate("mock", agent="random", tasks=TASKS, trials=2, name="random", out=folder)
    with ScriptedEndpoint(GoldScript.of_domain("mock")) as endpoint:

        def model(name: str) -> dict[str, Any]:
            return {"model": f"endpoint/{name}", "args": {"api_base": endpoint.url}}

        sides = {"agent": model("agent"), "user": model("customer"), "judge": model("judge")}
        evaluate("mock", **sides, tasks=TASKS, judge_all=True, name="judged", out=folder)  # type: ignore[arg-type]
    return folder


@pytest.fixture
def run_folder(_played: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Return a copy of the run `random`, or of `judged`, to be labelled."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(_played / name, tmp_path / name))

    return copy


def command(*arguments: object, columns: int = 80) -> Result:
    """Run a command in this process; errors of ours are raised."""
    given = [str(each) for each in arguments]
    return CliRunner().invoke(app, given, env={"COLUMNS": str(columns)}, catch_exceptions=False)


def label(folder: Path, *labels: tuple[str, int, str, str, str, str | None]) -> None:
    """Append labels as (task, trial, about, name, label, annotator)."""
    keys = ("task_id", "trial", "about", "name", "label", "annotator")
    with (folder / "labels.jsonl").open("a", encoding="utf-8") as file:
        for each in labels:
            file.write(json.dumps(dict(zip(keys, each, strict=True))) + "\n")


def stored(folder: Path) -> list[dict[str, Any]]:
    """Return the labels of a run as they are stored."""
    return [json.loads(line) for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
