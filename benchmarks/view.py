"""Measure the workbench on a run of 20,000 episodes, and Inspect View: page times and memory.

It needs playwright, and a Chromium on the PATH or named by CHROMIUM.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import sync_playwright
from tau2_core import evaluate

from benchmarks.inspect_view import inspect_figures, seconds_until
from benchmarks.large_run import make_large_run
from benchmarks.measure import Figure, most_megabytes

EPISODES, TRIALS = 20_000, 8
VISITS = 9


def view_figures() -> list[Figure]:
    """Measure first visits, later ones, and memory."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        evaluate("airline", agent="random", split="test", trials=2, name="small", out=folder / "source")
        make_large_run(folder / "source" / "small", folder / "runs" / "large", episodes=EPISODES, trials=TRIALS)
        with _serving(folder / "runs") as (address, process), httpx.Client(base_url=address, timeout=300) as client:
            before = _cpu_seconds(process.pid)
            figures = [Figure("first visit, building the index", _seconds(client, "/"), "s", 10)]
            figures.append(Figure("its CPU time", _cpu_seconds(process.pid) - before, "s", 10))
            for name, paths, aim in (
                ("the list of runs", ["/"], 300),
                ("the run", ["/runs/large"], 300),
                ("the run, filtered", ["/runs/large?outcome=failed&q=book"], 300),
                ("an episode", [f"/runs/large/{task}/0" for task in range(1, 2000, 211)], 100),
            ):
                client.get(paths[0])  # the pack is loaded once
                times = [_seconds(client, paths[visit % len(paths)]) for visit in range(VISITS)]
                figures.append(Figure(f"{name}, median of {VISITS}", statistics.median(times) * 1e3, "ms", aim))
            figures.append(Figure("peak memory", most_megabytes(process.pid), "MB", 300))
            with _browser() as browser:
                shown = seconds_until(browser, f"{address}/runs/large", f"{EPISODES // TRIALS:,} tasks")
                figures.append(Figure("in a browser: the run", shown, "s"))
                figures += inspect_figures(folder / "runs" / "large", folder, EPISODES, browser)
        return figures


@contextmanager
def _browser() -> Iterator[Any]:
    executable = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=["--disable-background-networking"])
        yield started
        started.close()


def _seconds(client: httpx.Client, path: str) -> float:
    started = time.perf_counter()
    client.get(path).raise_for_status()
    return time.perf_counter() - started


@contextmanager
def _serving(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "tau2_core", "view", str(folder), "--no-open", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://[^/;]+", process.stdout.readline())
        assert found is not None
        try:
            yield found[0], process
        finally:
            process.terminate()


def _cpu_seconds(pid: int) -> float:
    """Return the CPU seconds that a process has used."""
    user, system = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
