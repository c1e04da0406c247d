"""Users' evaluation tests, run by a separate pytest, as they would be."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from xml.etree import ElementTree

import pytest

from tests.forked import Forks

# Third-party plugins that take long to import are disabled.
PYTEST = ["-p", "no:cacheprovider", "-p", "no:schemathesis", "-p", "no:hypothesispytest", "-p", "no:anyio"]
PYTEST += ["-c", os.devnull, "-W", "ignore::pytest.PytestAssertRewriteWarning"]  # already imported
# The beginning of most files: rows of the mock domain, played by agents and a customer without a model.
HEAD = """
from typing import Any
import pytest
from tau2_gym_eval_protocol import (
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
    """The result of a pytest run: its exit code, its output, and what its junit file says about each test."""

    code: int
    output: str
    folder: Path
    failures: dict[str, str]
    properties: dict[str, dict[str, Any]]

    @property
    def names(self) -> list[str]:
        return list(self.failures)

    def runs(self) -> dict[str, Path]:
        """Return the run folders by the part of their names after the time."""
        return {folder.name.split("-", 3)[3]: folder for folder in sorted(self.folder.glob("runs/*"))}


Evaluate: TypeAlias = Callable[..., Ran]


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def own_variables(**variables: str) -> dict[str, str]:
    """Return the environment for a user's pytest."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "EP_", "PYTHON"))}
    return kept | {"COLUMNS": "200", **variables}


def run_pytest(forks: Forks, folder: Path, source: str, *options: str, **variables: str) -> Ran:
    (folder / "test_agent.py").write_text(HEAD + source, encoding="utf-8")
    report = folder / "junit.xml"
    done = forks.run(
        [*PYTEST, "--rootdir=.", f"--junitxml={report}", *options, "test_agent.py"],
        cwd=folder,
        env=own_variables(**variables),
        timeout=300,
        program="pytest",
    )
    failures, properties = {}, {}
    for case in ElementTree.parse(report).getroot().iter("testcase") if report.exists() else ():
        name = case.attrib["name"]
        found = [part for part in case if part.tag in ("failure", "error")]
        failures[name] = "\n".join(part.text or "" for part in found)
        properties[name] = {each.attrib["name"]: each.attrib["value"] for each in case.iter("property")}
    return Ran(done.returncode, done.stdout + done.stderr, folder, failures, properties)


@pytest.fixture
def evaluate(forks: Forks, tmp_path: Path) -> Evaluate:
    """Run a file of evaluation tests: `evaluate(source, "-n", "4", EP_NUM_RUNS="2")`."""
    return lambda source, *options, **variables: run_pytest(forks, tmp_path, source, *options, **variables)


@pytest.fixture
def serving_mock(forks: Forks, tmp_path: Path) -> Callable[..., AbstractContextManager[str]]:
    """Serve a domain while the block lasts; the value is its address. Capitals are environment variables."""

    @contextmanager
    def serve(domain: str = "mock", **variables: str) -> Iterator[str]:
        command = ["serve", domain, "--port", "0"]
        env = {**os.environ, **variables}
        with (tmp_path / "server.log").open("wb") as log:
            server = forks.start(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=log)
        assert server.stdout is not None
        try:
            yield server.stdout.readline().split(" at ")[1].split(";")[0]
        finally:
            server.terminate()
            server.wait(60)
            server.stdout.close()

    return serve
