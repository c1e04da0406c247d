"""Evaluation tests of somebody's, run by a pytest of its own as they would be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from xml.etree import ElementTree

import pytest

PYTEST = ["-W", "error", "-m", "pytest", "-p", "no:cacheprovider", "-c", os.devnull]
# What most files begin with: rows of the mock domain, played by agents and a customer that need no model.
HEAD = """
from typing import Any
import pytest
from tau2_core.testing import (
    BackoffConfig, EvaluateResult, EvaluationRow, ExceptionHandlerConfig, NoOpRolloutProcessor,
    RecordedRolloutProcessor, dataset_rows, evaluation_test, server_script,
)

ORACLE, SILENT = {"agent": "oracle"}, {"agent": "silent"}
MOCK = {"domain": "mock", "user": "scripted"}
IDS = ["create_plain", "create_with_description", "complete_task", "refuse_unknown_status"]

def rows(ids=IDS):
    return [EvaluationRow(input_metadata={"row_id": f"mock_task_{name}", "dataset_info": {
        "environment_context": {"domain": "mock", "task_id": name}}}) for name in ids]
"""


@dataclass(frozen=True)
class Ran:
    """How a pytest ended: its exit code, what it printed, and what its junit file says of each test."""

    code: int
    output: str
    folder: Path
    failures: dict[str, str]
    properties: dict[str, dict[str, Any]]

    @property
    def names(self) -> list[str]:
        return list(self.failures)

    def runs(self) -> dict[str, Path]:
        """Return the run folders by what comes after the time in their names."""
        return {folder.name.split("-", 3)[3]: folder for folder in sorted(self.folder.glob("runs/*"))}


Evaluate: TypeAlias = Callable[..., Ran]


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def run_pytest(folder: Path, source: str, *options: str, **variables: str) -> Ran:
    (folder / "test_agent.py").write_text(HEAD + source, encoding="utf-8")
    report = folder / "junit.xml"
    own = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "EP_", "PYTHON"))}
    done = subprocess.run(
        [sys.executable, *PYTEST, "--rootdir=.", f"--junitxml={report}", *options, "test_agent.py"],
        cwd=folder,
        env=own | {"COLUMNS": "200", **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    failures, properties = {}, {}
    for case in ElementTree.parse(report).getroot().iter("testcase") if report.exists() else ():
        name = case.attrib["name"]
        found = [part for part in case if part.tag in ("failure", "error")]
        failures[name] = "\n".join(part.text or "" for part in found)
        properties[name] = {each.attrib["name"]: each.attrib["value"] for each in case.iter("property")}
    return Ran(done.returncode, done.stdout, folder, failures, properties)


@pytest.fixture
def evaluate(tmp_path: Path) -> Evaluate:
    """Run a file of evaluation tests: `evaluate(source, "-n", "4", EP_NUM_RUNS="2")`."""
    return lambda source, *options, **variables: run_pytest(tmp_path, source, *options, **variables)
