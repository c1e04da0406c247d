"""A run with models behind an endpoint of fixed latency: its wall time against the ideal, loop lag, memory."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

from tau2_core.episode.play import Cast
from tau2_core.llm.model import Patience
from tau2_core.model.llm import ModelRole, ModelSettings
from tau2_core.runs.execute import RunResult, execute
from tau2_core.runs.models import dismiss, hire
from tau2_core.runs.plan import Plan
from tau2_core.runs.prepare import open_catalogue, prepare

from benchmarks.measure import Figure

DOMAIN = "retail"
EPISODES = 500
CONCURRENCY = 64
LATENCY = 0.05
AIM = 1.15
TICK = 0.01
MODELS: dict[ModelRole, str] = {"agent": "endpoint/agent", "user": "endpoint/customer"}


@dataclass
class Watch:
    """What is seen of a run from within: how late the event loop is, and resident memory after each episode."""

    lags: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)

    async def look(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(TICK)
            self.lags.append(time.perf_counter() - before - TICK)

    def remember(self, _finished: object = None) -> None:
        self.megabytes.append(resident_mb())


def llm_figures(episodes: int = EPISODES) -> list[Figure]:
    """Return the figures of one run of `episodes` slots.

    The ideal is what latency alone takes: all calls × latency / concurrency, or the longest episode's calls × latency
    if that is more. Memory is of this process, the endpoint is another.
    """
    with endpoint() as url, tempfile.TemporaryDirectory() as folder:
        watch = Watch()
        result, seconds, cpu = asyncio.run(_play(url, Path(folder) / "run", watch, episodes))
    solved = result.summary.outcomes.get("solved", 0)
    if solved != episodes:
        raise RuntimeError(f"{solved} of {episodes} episodes are solved: {list(result.summary.failed.items())[:3]}")
    calls = [sum(usage.requests for usage in each.record.usage.values()) for each in result.finished]
    ideal = max(sum(calls) * LATENCY / CONCURRENCY, max(calls) * LATENCY)
    start, middle, end = (watch.megabytes[index] for index in (CONCURRENCY, len(watch.megabytes) // 2, -1))
    return [
        Figure("episodes", len(calls), ""),
        Figure("calls of models", sum(calls), ""),
        Figure("ideal wall time", ideal, "s"),
        Figure("wall time", seconds, "s", ideal * AIM),
        Figure("  × the ideal", seconds / ideal, "", AIM),
        Figure("processor time a call, conversation and all", cpu / sum(calls) * 1e3, "ms"),
        Figure("  which 1.15 × the ideal leaves on one processor", ideal * AIM / sum(calls) * 1e3, "ms"),
        Figure("event-loop lag, p99", quantiles(watch.lags, n=100)[98] * 1e3, "ms"),
        Figure(f"memory after {CONCURRENCY} episodes", start, "MB"),
        Figure("memory in the middle", middle, "MB"),
        Figure("memory at the end", end, "MB"),
    ]


async def _play(url: str, folder: Path, watch: Watch, episodes: int) -> tuple[RunResult, float, float]:
    catalogue = open_catalogue()
    setting = prepare(catalogue, DOMAIN)
    tasks = setting.select()
    trials = next(
        count for count in range(1, episodes + 1) if episodes % count == 0 and episodes // count <= len(tasks)
    )
    arguments = {"api_base": url, "api_key": "none"}
    settings = {role: ModelSettings(model=name, args=arguments) for role, name in MODELS.items()}
    lines = hire(settings, patience=Patience())
    cast = Cast(catalogue.agent("llm"), catalogue.user("llm"), lines=lines)
    chosen = tasks[: episodes // trials]
    plan = Plan(setting, cast, chosen, trials, concurrency=CONCURRENCY)
    looking = asyncio.create_task(watch.look())
    before, started = _cpu(), time.perf_counter()
    try:
        result = await execute(plan, catalogue, folder, on_finished=watch.remember)
        return result, time.perf_counter() - started, _cpu() - before
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
        await dismiss(lines.values())


@contextmanager
def endpoint() -> Iterator[str]:
    """Run the endpoint in a process of its own; the value is its address."""
    command = [sys.executable, "-m", "benchmarks.llm_endpoint", DOMAIN, str(LATENCY)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
    if process.returncode:
        raise RuntimeError(f"the endpoint ended with {process.returncode}")


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def resident_mb() -> float:
    """Return this process's resident memory."""
    status = Path("/proc/self/status").read_text()
    return next(float(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024
