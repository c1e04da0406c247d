"""Regrade very many recorded conversations on all cores: the official result files, again and again."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

from tau2_core.adapters.tau2_bench.results import read_result_file
from tau2_core.runs.executors.processes import processors

from benchmarks.commands import Used, measured_command
from benchmarks.measure import Figure

DOMAINS = ("retail", "airline")
SAMPLE = 10  # the part of the conversations that one process grades, for comparison
MEMORY = 1.25  # times that of the sample


def regrading_figures(simulations: Path, conversations: int) -> list[Figure]:
    """Return rates, CPU milliseconds a conversation and peak memory, by one process and by one for each processor.

    Raises RuntimeError if their grades of the sample are not equal byte for byte.
    """
    with tempfile.TemporaryDirectory() as place:
        all_of_them, sample = Path(place, "all"), Path(place, "sample")
        count, few = _copy(simulations, all_of_them, conversations), _copy(simulations, sample, conversations // SAMPLE)
        workers = ("--workers", str(processors()))
        if _grades(sample, "--executor", "async") != _grades(sample, *workers):
            raise RuntimeError("workers give other grades than one process")
        figures: list[Figure] = []
        by_one = measured_command(["grade", str(sample), "--executor", "async"])
        figures += _of(f"{few:,} conversations by one process", few, by_one)
        by_workers = measured_command(["grade", str(sample), *workers])
        figures += _of(f"{few:,} by {processors()} workers", few, by_workers)
        by_all = measured_command(["grade", str(all_of_them), *workers])
        figures += _of(f"{count:,} by {processors()} workers", count, by_all, by_workers)
        return figures


def _of(what: str, conversations: int, used: Used, less: Used | None = None) -> list[Figure]:
    """Return the figures of a command, with aims for its memory from one that has graded less."""
    figures = [
        Figure(what, conversations / used.seconds, "a second", more_is_better=True),
        Figure("  CPU of the command itself", used.own_cpu / conversations * 1e3, "ms"),
        Figure("  its memory at most", used.own_memory, "MB", MEMORY * less.own_memory if less else None),
    ]
    if used.workers_cpu:
        figures += [
            Figure("  CPU of the workers", used.workers_cpu / conversations * 1e3, "ms"),
            Figure(
                "  memory of a worker at most",
                used.workers_memory,
                "MB",
                MEMORY * less.workers_memory if less else None,
            ),
        ]
    return figures


def _copy(simulations: Path, folder: Path, wanted: int) -> int:
    """Fill a folder with copies of result files that have this number of conversations; return what they have."""
    folder.mkdir()
    found = 0
    for number, (file, size) in enumerate(_files(simulations)):
        if found >= wanted:
            break
        shutil.copyfile(file, folder / f"{number:05}-{file.name}")
        found += size
    return found


def _files(simulations: Path) -> Iterator[tuple[Path, int]]:
    files = [file for domain in DOMAINS for file in sorted((simulations / domain).glob("*.json*"))]
    if not files:
        raise SystemExit(f"{simulations} contains no files of retail or airline; give their folder with --simulations")
    return cycle([(file, len(read_result_file(file).simulations)) for file in files])


def _grades(folder: Path, *options: str) -> bytes:
    command = [sys.executable, "-m", "tau2_core", "grade", str(folder), "--json", *options]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
