"""Inspect View on a log of the episodes used to measure the workbench, in the same browser.

Inspect is installed into a separate environment; TAU2_GYM_INSPECT may give the folder of an existing one.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.measure import Figure, most_megabytes

WRITER = Path(__file__).parent / "inspect_log.py"
VARIABLE = "TAU2_GYM_INSPECT"


def inspect_figures(run: Path, scratch: Path, episodes: int, browser: Any) -> list[Figure]:
    """Measure how long Inspect takes to show a log of these episodes, and the memory of its server."""
    programs = _environment(scratch) / "bin"
    logs = scratch / "logs"
    logs.mkdir()
    subprocess.run([programs / "python", WRITER, run, logs / "large.eval"], check=True)
    figures = []
    with _serving(programs / "inspect", logs) as (address, process):
        place = f"{address}/#/logs/large.eval"
        name = f"Inspect View in a browser: the list of {episodes} samples"
        figures.append(Figure(name, seconds_until(browser, place, f"{episodes} Samples"), "s"))
        figures.append(Figure("peak memory of its server", most_megabytes(process.pid), "MB"))
    return figures


def seconds_until(browser: Any, address: str, text: str) -> float:
    """Open a page in a new window, and return the seconds until it shows a text."""
    page = browser.new_page()
    started = time.perf_counter()
    page.goto(address)
    page.get_by_text(text).first.wait_for(timeout=300_000)
    seconds = time.perf_counter() - started
    page.close()
    return seconds


def _environment(scratch: Path) -> Path:
    if named := os.environ.get(VARIABLE):
        return Path(named)
    folder = scratch / "inspect"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "inspect_ai"], check=True)
    return folder


@contextmanager
def _serving(program: Path, logs: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [program, "view", "start", "--log-dir", logs, "--port", str(port)]
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while "Running on" not in (line := process.stdout.readline()):
            if not line:
                raise RuntimeError("inspect view ended before it was ready; see its output")
        try:
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.terminate()
