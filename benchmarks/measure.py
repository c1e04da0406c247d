"""Measure one domain. Every figure is over all of its tasks, so that no single call decides it."""

from __future__ import annotations

import asyncio
import gc
import re
import statistics
import tempfile
import time
import tracemalloc
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tau2_core.episode.environment import Environment
from tau2_core.episode.participants import Participants
from tau2_core.episode.play import play
from tau2_core.episode.setting import Setting
from tau2_core.episode.setup import start
from tau2_core.evaluators.grade import Grader
from tau2_core.model.episodes import EpisodeRecord, Slot
from tau2_core.model.messages import ToolCall
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.runs.execute import execute
from tau2_core.runs.loading import load_setting, open_catalogue
from tau2_core.runs.plan import Plan

# Measured with tau2-bench 1.0.1: reset, digest (s), memory (KB), rollouts per second, import (s).
OFFICIAL: dict[str, dict[str, float]] = {
    "airline": {"reset": 150e3, "digest": 87e3, "grading": 500e3, "memory": 22.6e3, "rollouts": 1.1},
    "retail": {"reset": 50e3, "digest": 40e3, "grading": 200e3, "rollouts": 2.8},
}
REPEATS = 2000
WORLDS = 5000
ROLLOUT_SECONDS = 3.0


@dataclass(frozen=True)
class Figure:
    """A measured figure with its unit, the aim (for rates a minimum), and the official benchmark's figure."""

    name: str
    value: float
    unit: str
    aim: float | None = None
    official: float | None = None
    more_is_better: bool = False

    def row(self) -> tuple[str, str, str, str, str]:
        sign = "≥" if self.more_is_better else "≤"
        ratio = ""
        if self.official and self.value > 0:  # a difference of memory can be 0 MB, or below
            ratio = f"{(self.value / self.official) if self.more_is_better else (self.official / self.value):,.0f}"
        return (
            self.name,
            f"{self.value:,.3g} {self.unit}" if self.value < 100 else f"{self.value:,.0f} {self.unit}",
            f"{sign} {self.aim:g}" if self.aim else "",
            f"{self.official:,.4g} {self.unit}" if self.official else "",
            ratio,
        )


def most_megabytes(pid: int) -> float:
    """Return a process's peak memory, in megabytes."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1e3 if found else float("nan")


def domain_figures(domain: str) -> list[Figure]:
    """Return a domain's figures. Its databases are loaded before anything is timed."""
    catalogue = open_catalogue()
    loading = _timed(lambda: load_setting(catalogue, domain).bases(), 1)
    setting = load_setting(catalogue, domain)
    setting.bases()
    Environment(setting).digests()
    official = OFFICIAL.get(domain, {})
    ids = [task.id for task in setting.select()]
    records = [asyncio.run(_oracle(setting, catalogue, task_id)) for task_id in ids]
    reads, writes = _calls(setting)
    return [
        Figure("load the pack and its data, once per process", loading / 1e3, "ms"),
        Figure(
            "reset (a new environment)", _timed(lambda: Environment(setting), REPEATS), "µs", 50, official.get("reset")
        ),
        Figure("read call, mean over gold calls", statistics.mean(_flat(reads)), "µs", 50),
        Figure(f"  slowest tool: {_slowest(reads)[0]}", _slowest(reads)[1], "µs"),
        Figure("write call, mean over gold calls", statistics.mean(_flat(writes)), "µs"),
        Figure(f"  slowest tool: {_slowest(writes)[0]}", _slowest(writes)[1], "µs"),
        Figure("digest after three writes", _digest(setting), "µs", 100, official.get("digest")),
        Figure(
            "grading one conversation",
            _grading(setting, catalogue, records) / 1e3,
            "ms",
            2,
            _ms(official.get("grading")),
        ),
        Figure("memory of an unchanged environment", _memory(setting), "KB", 20, official.get("memory")),
        Figure("rollouts", _rollouts(setting, catalogue), "/s", 300, official.get("rollouts"), more_is_better=True),
        Figure("  with the run folder written", _run_rate(setting, catalogue), "/s"),
    ]


async def _oracle(setting: Setting, catalogue: Catalogue, task_id: str) -> EpisodeRecord:
    participants = Participants(catalogue.agent("oracle"), catalogue.user("scripted"))
    return await play(setting, setting.tasks()[task_id], participants, Slot(task_id, 0), 0)


def _timed(work: Callable[[], object], repeats: int) -> float:
    """Return microseconds per call."""
    started = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - started) / repeats * 1e6


def _calls(setting: Setting) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Time every gold call of every task, after the calls before it. Return the best of five times by tool."""
    reads: dict[str, list[float]] = defaultdict(list)
    writes: dict[str, list[float]] = defaultdict(list)
    for task in setting.select():
        best = [float("inf")] * len(task.gold())
        for _ in range(5):
            environment = Environment(setting)
            start(environment, task)
            for index, action in enumerate(task.gold()):
                call = ToolCall(name=action.name, arguments=action.arguments, requestor=action.requestor)
                started = time.perf_counter()
                environment.call(call)
                best[index] = min(best[index], (time.perf_counter() - started) * 1e6)
        for action, microseconds in zip(task.gold(), best, strict=True):
            tool = setting.tools("user" if action.requestor == "user" else "agent")[action.name]
            (writes if tool.mutates else reads)[action.name].append(microseconds)
    return reads, writes


def _flat(times: dict[str, list[float]]) -> list[float]:
    return [value for values in times.values() for value in values]


def _slowest(times: dict[str, list[float]]) -> tuple[str, float]:
    means = {name: statistics.mean(values) for name, values in times.items()}
    name = max(means, key=lambda key: means[key])
    return name, means[name]


def _digest(setting: Setting) -> float:
    """Return the mean microseconds of a digest after three writes; tasks without a start state share an environment."""
    times = []
    environment, made = Environment(setting), 0
    for task in setting.select():
        if task.initial_state is not None:
            environment, made = Environment(setting), 0
            start(environment, task)
        for action in task.gold():
            tool = setting.tools("user" if action.requestor == "user" else "agent")[action.name]
            if tool.mutates:
                environment.call(ToolCall(name=action.name, arguments=action.arguments, requestor=action.requestor))
                made += 1
            if made == 3:
                times.append(_timed(environment.digests, 200))
                environment, made = Environment(setting), 0
                if task.initial_state is not None:
                    break
    return statistics.mean(times)


def _grading(setting: Setting, catalogue: Catalogue, records: list[EpisodeRecord]) -> float:
    """Return microseconds per conversation; the gold is replayed for each."""
    evaluators = catalogue.evaluators("tau2")
    started = time.perf_counter()
    for _ in range(3):
        for record in records:
            Grader(setting, "tau2", evaluators).grade(record, setting.tasks()[record.task_id])
    return (time.perf_counter() - started) / len(records) / 3 * 1e6


def _memory(setting: Setting) -> float:
    """Return the allocated KB per environment, over many open environments."""
    gc.collect()
    tracemalloc.start()
    worlds = [Environment(setting) for _ in range(WORLDS)]
    allocated, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return allocated / len(worlds) / 1024


def _rollouts(setting: Setting, catalogue: Catalogue) -> float:
    """Return oracle rollouts per second in one process: conversation and grading, without models or files."""
    grader = Grader(setting, "tau2", catalogue.evaluators("tau2"))
    tasks = {task.id: task for task in setting.select()}
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < ROLLOUT_SECONDS:
        for task_id, task in tasks.items():
            grader.grade(asyncio.run(_oracle(setting, catalogue, task_id)), task)
            done += 1
    return done / (time.perf_counter() - started)


def _run_rate(setting: Setting, catalogue: Catalogue) -> float:
    """Return rollouts per second of a whole run, including writing records and grades."""
    participants = Participants(catalogue.agent("oracle"), catalogue.user("scripted"))
    plan = Plan(setting, participants, setting.select(), trials=10)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        asyncio.run(execute(plan, catalogue, Path(folder) / "run"))
        return plan.size / (time.perf_counter() - started)


def _ms(microseconds: float | None) -> float | None:
    return None if microseconds is None else microseconds / 1e3
