"""Compare worker processes with one process: episodes per second, CPU time, and how many workers a run can feed.

Cores share caches and memory, so separate runs side by side also cost more than one alone: no executor can do better.
Each figure is the difference between a longer and a shorter run, which excludes the start-up time.
Wall times are meaningful only on an idle machine; CPU times also on a busy one.
"""

from __future__ import annotations

import resource
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, median
from typing import Any

from tau2_core.api.evaluate import play_composed
from tau2_core.runs.composition import compose
from tau2_core.runs.options import Options
from tau2_core.runtime import event_loop

from benchmarks.llm import DOMAIN, MODELS, endpoint
from benchmarks.measure import Figure

ROUNDS = 3
WORKERS = 2
FASTER = 1.8
DEARER = 1.05


@dataclass(frozen=True)
class Cost:
    """The cost of a slot: seconds, CPU seconds of the run and of its workers, and bytes of its record."""

    wall: float
    run: float
    workers: float
    size: float

    @property
    def cpu(self) -> float:
        return self.run + self.workers


def executor_figures() -> list[Figure]:
    """Return the figures of runs whose agents answer at once, and of runs with models through litellm."""
    figures = _figures("at once", {"trials": 40}, {"trials": 8})
    with endpoint() as url:
        args = {"api_base": url, "api_key": "none"}
        models: dict[str, Any] = {role: {"model": f"openai/{name}", "args": args} for role, name in MODELS.items()}
        longer: dict[str, Any] = {**models, "num_tasks": 100, "concurrency": 32}
        return figures + _figures("litellm", longer, {**longer, "num_tasks": 20})


def _figures(title: str, longer: dict[str, Any], shorter: dict[str, Any]) -> list[Figure]:
    _run(shorter)  # run once first, so that imports are not measured
    rounds = []
    for _ in range(ROUNDS):
        one = _cost(longer, shorter, {})
        rounds.append((one, _cost(longer, shorter, {"executor": "processes", "workers": WORKERS})))
    beside = median(_side_by_side(longer, shorter) / one.cpu for one, _ in rounds)
    one, many = rounds[-1]
    faster = median(one.wall / many.wall for one, many in rounds)
    dearer = median(many.cpu / one.cpu for one, many in rounds)
    run = median(many.run for _, many in rounds)
    return [
        Figure(f"{title}: CPU time per slot, one process", median(one.cpu for one, _ in rounds) * 1e3, "ms"),
        Figure(f"{title}: CPU time per slot, {WORKERS} workers", median(m.cpu for _, m in rounds) * 1e3, "ms"),
        Figure("  × one process", dearer, "", DEARER),
        Figure(f"  {WORKERS} separate runs side by side × one process", beside, ""),
        Figure("  episodes per second × one process", faster, "", FASTER, more_is_better=True),
        Figure("  CPU time per slot in the run's own process", run * 1e3, "ms"),
        Figure("  slots per second when that process is saturated", 1 / run, ""),
        Figure("  records per second at that rate", many.size / run / 1e6, "MB"),
        Figure("  workers that one run can feed", median(m.workers / m.run for _, m in rounds), ""),
    ]


def _side_by_side(longer: dict[str, Any], shorter: dict[str, Any]) -> float:
    """Return the CPU seconds of a slot while as many separate runs as there are workers play at the same time."""
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        return mean(pool.map(_cpu_of_slot, [longer] * WORKERS, [shorter] * WORKERS))


def _cpu_of_slot(longer: dict[str, Any], shorter: dict[str, Any]) -> float:
    _run(shorter)
    return _cost(longer, shorter, {}).cpu


def _cost(longer: dict[str, Any], shorter: dict[str, Any], how: dict[str, Any]) -> Cost:
    more, less = _run({**longer, **how}), _run({**shorter, **how})
    slots = more[0] - less[0]
    return Cost(*((one - other) / slots for one, other in zip(more[1:], less[1:], strict=True)))


def _run(options: dict[str, Any]) -> tuple[int, float, float, float, float]:
    """Play a run; return its slots, seconds, CPU seconds of this process and of its children, and bytes."""
    before = [_cpu(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    with tempfile.TemporaryDirectory() as folder:
        composed = compose(Options.model_validate({"domain": DOMAIN, "out": folder, "name": "run", **options}))
        result = event_loop.run_async(play_composed(composed, via="process", resume=False))
        after = [_cpu(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        size = (Path(folder) / "run" / "episodes.jsonl").stat().st_size
    summary = result.summary
    if summary.mean_reward != 1.0:
        raise RuntimeError(f"not all episodes are solved: {summary.outcomes}")
    own, others = (now - then for now, then in zip(after, before, strict=True))
    return summary.finished, summary.duration_seconds, own, others, size


def _cpu(whose: int) -> float:
    usage = resource.getrusage(whose)
    return usage.ru_utime + usage.ru_stime
