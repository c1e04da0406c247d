"""A very large run: time and memory for reading it, and the speed of appending lines."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from tau2_core import evaluate
from tau2_core.records.journal import EPISODES, Journal

from benchmarks.commands import measured_command
from benchmarks.large_run import make_large_run, make_long_run
from benchmarks.measure import Figure

TRIALS = 8
APPENDED = 20_000


def scale_figures(episodes: int) -> list[Figure]:
    """Measure the commands that read a run of this number of episodes; the aims are for a million."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        evaluate("mock", agent="random", trials=2, name="small", out=folder)
        large = folder / "large"
        make_large_run(folder / "small", large, episodes=episodes, trials=TRIALS)
        size = sum(file.stat().st_size for file in large.iterdir()) / 1e9
        figures = [Figure("size of the run folder", size, "GB"), _append_rate(folder)]
        for name, arguments, seconds, memory in (
            ("report", ["report", large], 60, 500),
            ("compare with itself", ["compare", large, large], None, None),
            ("export to Parquet", ["export", large, folder / "large.parquet"], None, 500),
        ):
            used = measured_command([str(argument) for argument in arguments])
            figures.append(Figure(name, used.cpu, "s", seconds))
            figures.append(Figure(f"{name}: peak memory", used.memory, "MB", memory))
        shutil.rmtree(large)
        return figures + _resumed(folder, episodes)


def _resumed(folder: Path, episodes: int) -> list[Figure]:
    """Resume a run whose last episode is missing. Nearly all the time is start-up: one episode takes milliseconds."""
    trials = make_long_run(folder / "small", folder / "long", episodes=episodes)
    run = ["run", "mock", "--agent", "random", "--trials", str(trials), "--out", str(folder), "--name", "long"]
    used = measured_command([*run, "--resume", "--json"])
    return [Figure("--resume", used.cpu, "s", 60), Figure("--resume: peak memory", used.memory, "MB", 500)]


def _append_rate(folder: Path) -> Figure:
    journal = Journal(folder / "appended")
    line = (folder / "small" / EPISODES).read_bytes().partition(b"\n")[0] + b"\n"
    with journal.alone():  # as in a run
        started = time.process_time()
        for _ in range(APPENDED):
            journal.append_line(EPISODES, line)
        taken = time.process_time() - started
    return Figure("records appended", APPENDED / taken, "/s of CPU", more_is_better=True)
