"""Regrade very many recorded conversations on all cores: many copies of the official result files."""

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
SAMPLE = 10  # one process grades a tenth of the conversations, for comparison
MEMORY = 1.25  # the aim: at most this many times the memory for the sample


def regrading_figures(simulations: Path, conversations: int) -> list[Figure]:
    """Return rates, CPU milliseconds per conversation and peak memory, of one process and of one per CPU.

    Raises RuntimeError if their grades of the sample are not equal byte for byte.
    """
    with tempfile.TemporaryDirectory() as place:
        all_of_them, sample = Path(place, "all"), Path(place, "sample")
        count, few = _copy(simulations, all_of_them, conversations), _copy(simulations, sample, conversations // SAMPLE)
        workers = ("--workers", str(processors()))
        if _grades(sample, "--executor", "async") != _grades(sample, *workers):
            raise RuntimeError("workers give different grades than one process")
        figures: list[Figure] = []
        by_one = measured_command(["grade", str(sample), "--executor", "async"])
        figures += _of(f"{few:,} conversations by one process", few, by_one)
        by_workers = measured_command(["grade", str(sample), *workers])
        figures += _of(f"{few:,} by {processors()} workers", few, by_workers)
        by_all = measured_command(["grade", str(all_of_them), *workers])
        figures += _of(f"{count:,} by {processors()} workers", count, by_all, by_workers)
        return figures


def _of(what: str, conversations: int, used: Used, less: Used | None = None) -> list[Figure]:
    """Return the figures of a command, with aims for its memory from a command that graded less."""
    figures = [
        Figure(what, conversations / used.seconds, "/s", more_is_better=True),
        Figure("  CPU of the command itself", used.own_cpu / conversations * 1e3, "ms"),
        Figure("  its peak memory", used.own_memory, "MB", MEMORY * less.own_memory if less else None),
    ]
    if used.workers_cpu:
        figures += [
            Figure("  CPU of the workers", used.workers_cpu / conversations * 1e3, "ms"),
            Figure(
                "  peak memory of a worker",
                used.workers_memory,
                "MB",
                MEMORY * less.workers_memory if less else None,
            ),
        ]
    return figures


def _copy(simulations: Path, folder: Path, wanted: int) -> int:
    """Fill a folder with copies of result files until they have enough conversations; return how many they have."""
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
