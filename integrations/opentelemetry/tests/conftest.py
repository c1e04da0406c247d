"""Runs of mock whose agent and customer are played by a script, with traces sent to a collector of the test."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import Asked, ScriptedEndpoint

from tests.bakery import in_process

from .collector import Collector

TASKS = ("create_plain", "transfer_deletion")
SWITCHES = ("TAU2_GYM_TRACES", "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT")


class Played:
    """What a run left, and the requests to its models."""

    def __init__(self, folder: Path, code: int, output: str, asked: list[Asked]) -> None:
        self.folder, self.code, self.output, self.asked = folder, code, output, asked

    def lines(self, name: str) -> dict[str, Any]:
        """Return the lines of a file of the run, by task."""
        lines = map(json.loads, (self.folder / name).read_bytes().splitlines())
        return {line["task_id"]: line for line in lines}


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    for name in SWITCHES:
        monkeypatch.delenv(name, raising=False)
    with Collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        yield collector


@pytest.fixture
def traced(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Collector:
    """A collector that gets the traces of runs while they are played."""
    monkeypatch.setenv("TAU2_GYM_TRACES", "otlp")
    return collector


@pytest.fixture(scope="session")
def gold() -> GoldScript:
    return GoldScript.of_domain("mock")


Play = Callable[..., Played]


@pytest.fixture
def play(tmp_path: Path, gold: GoldScript) -> Play:
    """Run some tasks of mock in this process; models play the gold unless the options say something else."""

    def run(
        *options: object,
        agent: bool = True,
        customer: bool = True,
        tasks: tuple[str, ...] = TASKS,
        name: str = "traced",
    ) -> Played:
        asked: list[Asked] = []

        def script(request: Asked) -> Any:
            asked.append(request)
            return gold(request)

        with ScriptedEndpoint(script) as models:
            arguments = json.dumps({"api_base": models.url, "temperature": 0, "seed": 7})
            words: list[object] = []
            if customer:
                words += ["--user-model", "endpoint/customer", "--user-args", arguments]
            if agent:
                words += ["--agent-model", "endpoint/agent", "--agent-args", arguments]
            words += [word for task in tasks for word in ("--task", task)]
            done = in_process("run", "mock", "--out", tmp_path, "--name", name, *words, *options)
        assert models.failures == []
        return Played(tmp_path / name, done.returncode, done.stdout + done.stderr, asked)

    return run
