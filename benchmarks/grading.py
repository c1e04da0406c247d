"""Regrade recorded conversations, compared with the official evaluator: read files, replay calls, compare verdicts."""

from __future__ import annotations

import time
from pathlib import Path

from tau2_core.runs.executors.launching import chosen_executor
from tau2_core.runs.loading import open_catalogue
from tau2_core.runs.regrade import Regrading, regrade
from tau2_core.runtime import event_loop

from benchmarks.measure import OFFICIAL, Figure

SHARED = Path(__file__).resolve().parents[2] / "shared"
SIMULATIONS = SHARED / "conformance" / "simulations"
DATASET = SHARED / "tau2-bench"
TIMES = 100  # the aim: this many times faster than the official evaluator


def grading_figures(simulations: Path) -> list[Figure]:
    """Return milliseconds per conversation, in one process, for each domain with files below `simulations`.

    The domain's data is loaded beforehand. Our figures include reading and decompressing the files, the official ones
    do not. The CPU time excludes time spent in other processes.
    """
    figures = []
    here = chosen_executor(open_catalogue())
    dataset = DATASET if DATASET.is_dir() else None
    for domain in ("retail", "airline"):
        files = sorted((simulations / domain).glob("*.json*"))
        if not files:
            continue
        how = Regrading(dataset=dataset)
        event_loop.run_async(regrade(files[:1], how, here))
        started, before = time.perf_counter(), time.process_time()
        result = event_loop.run_async(regrade(files, how, here))
        seconds, cpu = time.perf_counter() - started, time.process_time() - before
        if result.problems:
            raise RuntimeError(result.problems[0])
        count, official = result.conversations, OFFICIAL[domain]["grading"] / 1e3
        aim = official / TIMES
        figures.append(Figure(f"{domain}: one of {count} conversations", seconds / count * 1e3, "ms", aim, official))
        figures.append(Figure("  CPU time", cpu / count * 1e3, "ms", aim, official))
    if not figures:
        raise SystemExit(f"{simulations} contains no files of retail or airline; give their folder with --simulations")
    return figures
