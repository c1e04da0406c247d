"""A run with models behind an endpoint of fixed latency: its wall time compared with the ideal, loop lag, memory.

Once with the client for endpoints (`endpoint/`), once through litellm (`openai/`), which is slower and plays fewer
episodes.
"""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from heapq import heapreplace
from pathlib import Path
from statistics import quantiles

from tau2_core.episode.participants import Participants
from tau2_core.llm.limits import Patience
from tau2_core.model.llm import ModelRole, ModelSettings
from tau2_core.runs.execute import Execution, RunResult, execute
from tau2_core.runs.loading import load_setting, open_catalogue
from tau2_core.runs.model_clients import close_models, open_models
from tau2_core.runs.plan import Plan
from tau2_core.runtime import event_loop

from benchmarks.measure import Figure

DOMAIN = "retail"
EPISODES = {"endpoint": 500, "openai": 128}
CONCURRENCY = 64
LATENCY = 0.05
AIM = 1.15
TICK = 0.01
EVERY = 10
MODELS: dict[ModelRole, str] = {"agent": "agent", "user": "customer"}


@dataclass
class Watch:
    """Measures a run from within: the lag of the event loop, and resident memory after every tenth episode."""

    lags: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    finished: int = 0

    async def look(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(TICK)
            self.lags.append(time.perf_counter() - before - TICK)

    def remember(self, _finished: object) -> None:
        self.finished += 1
        if self.finished % EVERY == 0:
            self.megabytes.append(resident_mb())


def llm_figures(provider: str) -> list[Figure]:
    """Return the figures of one run with models of a provider: `endpoint` or `openai`.

    The ideal counts only the latency of the calls: episodes start in the order of the plan, each as soon as one of the
    concurrent places is free. The domain's data are read beforehand. Memory and CPU time are of this process; the
    endpoint is another process, and needs its own CPU.
    """
    episodes = EPISODES[provider]
    with endpoint() as url, tempfile.TemporaryDirectory() as folder:
        watch = Watch()
        result, seconds, cpu, waited = event_loop.run_async(_play(url, Path(folder) / "run", watch, provider, episodes))
        calls = [sum(usage.requests for usage in each.record.usage.values()) for each in result.episodes()]
    solved = result.summary.outcomes.get("solved", 0)
    if solved != episodes:
        raise RuntimeError(f"{solved} of {episodes} episodes are solved: {list(result.summary.failed.items())[:3]}")
    ideal = schedule([number * LATENCY for number in calls], CONCURRENCY)
    start, middle, end = (watch.megabytes[index] for index in (CONCURRENCY // EVERY, len(watch.megabytes) // 2, -1))
    return [
        Figure("episodes", len(calls), ""),
        Figure("model calls", sum(calls), ""),
        Figure("all calls × latency / concurrency", sum(calls) * LATENCY / CONCURRENCY, "s"),
        Figure("ideal wall time", ideal, "s"),
        Figure("wall time", seconds, "s", ideal * AIM),
        Figure("  × the ideal", seconds / ideal, "", AIM),
        Figure("  of it, waiting for a CPU", waited, "s"),
        Figure("  × the ideal, without that", (seconds - waited) / ideal, "", AIM),
        Figure("CPU time per call, including the conversation", cpu / sum(calls) * 1e3, "ms"),
        Figure("  the budget at 1.15 × the ideal on one CPU", ideal * AIM / sum(calls) * 1e3, "ms"),
        Figure("event-loop lag, p99", quantiles(watch.lags, n=100)[98] * 1e3, "ms"),
        Figure(f"memory after {CONCURRENCY} episodes", start, "MB"),
        Figure("memory in the middle", middle, "MB"),
        Figure("memory at the end", end, "MB"),
        Figure("load of the machine during the measurement", os.getloadavg()[0], ""),
    ]


def schedule(lengths: Iterable[float], workers: int) -> float:
    """Return when the last job ends if jobs start in order, each on the first free worker."""
    free = [0.0] * workers
    for length in lengths:
        heapreplace(free, free[0] + length)
    return max(free)


async def _play(
    url: str, folder: Path, watch: Watch, provider: str, episodes: int
) -> tuple[RunResult, float, float, float]:
    catalogue = open_catalogue()
    setting = load_setting(catalogue, DOMAIN)
    tasks = setting.select()
    setting.bases()
    trials = next(
        count for count in range(1, episodes + 1) if episodes % count == 0 and episodes // count <= len(tasks)
    )
    arguments = {"api_base": url, "api_key": "none"}
    settings = {role: ModelSettings(model=f"{provider}/{name}", args=arguments) for role, name in MODELS.items()}
    role_models = open_models(settings, patience=Patience())
    participants = Participants(catalogue.agent("llm"), catalogue.user("llm"), role_models=role_models)
    chosen = tasks[: episodes // trials]
    plan = Plan(setting, participants, chosen, trials, concurrency=CONCURRENCY)
    looking = asyncio.create_task(watch.look())
    before, waited, started = _cpu(), _waited(), time.perf_counter()
    try:
        result = await execute(plan, catalogue, folder, Execution(on_finished=watch.remember))
        return result, time.perf_counter() - started, _cpu() - before, _waited() - waited
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
        await close_models(role_models.values())


@contextmanager
def endpoint() -> Iterator[str]:
    """Run the endpoint in a separate process; yields its URL."""
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


def _waited() -> float:
    """Return the seconds that the main thread was runnable but waited for a CPU."""
    return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9


def resident_mb() -> float:
    """Return this process's resident memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
