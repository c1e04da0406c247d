"""Re-grading recorded conversations beside the official evaluator: files read, worlds replayed, verdicts compared."""

from __future__ import annotations

import time
from pathlib import Path

from tau2_core.runs.regrade import Regrading, regrade

from benchmarks.measure import OFFICIAL, Figure

SHARED = Path(__file__).resolve().parents[2] / "shared"
SIMULATIONS = SHARED / "conformance" / "simulations"
DATASET = SHARED / "tau2-bench"
TIMES = 100  # the aim: so many times faster than the official evaluator


def grading_figures(simulations: Path) -> list[Figure]:
    """Return milliseconds a conversation, in one process, for each domain with files below `simulations`.

    The domain's data are loaded before; reading and decompressing the files is in the figures, which the official
    ones are without. `of processor` leaves out what other processes took.
    """
    figures = []
    dataset = DATASET if DATASET.is_dir() else None
    for domain in ("retail", "airline"):
        files = sorted((simulations / domain).glob("*.json*"))
        if not files:
            continue
        how = Regrading(dataset=dataset)
        regrade(files[:1], how, workers=1)
        started, before = time.perf_counter(), time.process_time()
        result = regrade(files, how, workers=1)
        seconds, cpu = time.perf_counter() - started, time.process_time() - before
        if result.problems:
            raise RuntimeError(result.problems[0])
        count, official = len(result.grades), OFFICIAL[domain]["grading"] / 1e3
        aim = official / TIMES
        figures.append(Figure(f"{domain}: one of {count} conversations", seconds / count * 1e3, "ms", aim, official))
        figures.append(Figure("  of processor", cpu / count * 1e3, "ms", aim, official))
    if not figures:
        raise SystemExit(f"{simulations} holds no files of retail or airline; say with --simulations where they are")
    return figures
