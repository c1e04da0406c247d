"""Compare two source trees: CPU seconds of the same work in alternating rounds, and functions entered."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.table import Table

HERE = Path(__file__).parents[1]
ROUNDS = 9
WORK = ("load", "call", "episode", "rollout")
WALKS = ("a tool call", "its part in the environment", "a verdict", "a run of one task")


class _Tree:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def ask(self, what: str) -> dict[str, float]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        answer: dict[str, float] = json.loads(self.process.stdout.readline())
        return answer


@contextmanager
def _working_in(tree: Path) -> Iterator[_Tree]:
    sources = [tree / "core" / "src", *sorted(tree.glob("domains/*/src"))]
    command = [sys.executable, str(HERE / "benchmarks" / "tree_worker.py")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sources))}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=tree
    ) as process:
        yield _Tree(process)


def compare_trees(before: Path) -> list[Table]:
    """Return tables that compare this tree with another: times as medians of the pairs' ratios, and counts."""
    times = Table(title=f"CPU seconds compared with {before}", title_justify="left")
    for title in ("work", "before", "now", "ratio", "lowest", "highest"):
        times.add_column(title)
    counts = Table(title="functions of the core entered, before → now", title_justify="left")
    for title in ("walk", "entries", "functions", "files"):
        counts.add_column(title)
    with _working_in(before.resolve()) as old, _working_in(HERE) as new:
        for walk in WALKS:
            pairs = zip(old.ask(walk).items(), new.ask(walk).values(), strict=True)
            counts.add_row(walk, *(f"{was:g} → {now:g}" for (_, was), now in pairs))
        for work in WORK:
            old.ask(work), new.ask(work)  # warm up
            rounds = [_pair(old, new, work, first_new=bool(number % 2)) for number in range(ROUNDS)]
            ratios = sorted(now / was for was, now in rounds)
            was, now = (statistics.median(each) for each in zip(*rounds, strict=True))
            times.add_row(work, f"{was:.3f}", f"{now:.3f}", *(f"{each:.3f}" for each in _spread(ratios)))
        opened = [tree.ask("opened") for tree in (old, new)]
    files = Table("", "files", "opened", "most often", title="files of the pack that a run opens", title_justify="left")
    for name, found in zip(("before", "now"), opened, strict=True):
        files.add_row(name, *(f"{each:g}" for each in found.values()))
    return [times, counts, files]


def _pair(old: _Tree, new: _Tree, work: str, *, first_new: bool) -> tuple[float, float]:
    if first_new:
        now = new.ask(work)["seconds"]
        return old.ask(work)["seconds"], now
    was = old.ask(work)["seconds"]
    return was, new.ask(work)["seconds"]


def _spread(ratios: list[float]) -> tuple[float, float, float]:
    return statistics.median(ratios), ratios[0], ratios[-1]
