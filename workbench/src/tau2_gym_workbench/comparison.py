"""Compare two runs: the gate's verdict, paired rates, and the tasks that flipped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tau2_core.errors import UsageError
from tau2_core.model.evaluation import Outcome
from tau2_core.records.compare import Comparison, ConfigurationDifference, compare_runs, configuration_differences
from tau2_core.records.reader import RunFolder, judge_of, one_set
from tau2_core.records.tally import Tally

from tau2_gym_workbench.index import RunIndex
from tau2_gym_workbench.matrix import Cell, one_cell


@dataclass(frozen=True, slots=True)
class Pair:
    """A task with different outcomes in runs A and B, its number in each (`a`, `b`), and the cells of each trial."""

    task_id: str
    a: int
    b: int
    cells: list[tuple[int, Cell, Cell]]


@dataclass(frozen=True)
class Compared:
    """A comparison. If there is none, `refused` says why, and `unlike` lists how the configurations differ."""

    comparison: Comparison | None
    pairs: list[Pair]
    refused: str = ""
    unlike: list[ConfigurationDifference] | None = None


@dataclass(frozen=True)
class IndexedRun(RunFolder):
    """A run's data for a comparison, read from its index."""

    index: RunIndex

    @property
    def evaluators(self) -> str:
        """The evaluator set that graded the run. Raises RunError if there is more than one."""
        return one_set(self.folder, self._names("SELECT DISTINCT evaluators FROM grades"), self.config)

    @property
    def judge(self) -> str | None:
        """The judge's model, even if nothing is judged yet; None without a judge."""
        return judge_of(self._names("SELECT DISTINCT model FROM judgements WHERE NOT failed"), self.config)

    def tally_of_grades(self, tasks: Sequence[str], trials: int) -> Tally:
        """Count the grades of some tasks in the first `trials` trials."""
        tally, names, wanted = Tally(tasks, trials), self.tasks, set(tasks)
        with self.index.reading() as connection:
            for row in connection.execute("SELECT task, trial, reward, outcome FROM grades"):
                if row["trial"] < trials and names[row["task"]] in wanted:
                    tally.count(names[row["task"]], Outcome(row["outcome"]), row["reward"])
        return tally

    def _names(self, query: str) -> list[str]:
        with self.index.reading() as connection:
            return [row[0] for row in connection.execute(query)]


def compare(a: RunIndex, b: RunIndex, *, ignore: list[str]) -> Compared:
    """Compare two runs as `tau2-gym compare` does. If it refuses, the result holds the reason."""
    runs = [IndexedRun(index.folder, index.config, index) for index in (a, b)]
    try:
        comparison = compare_runs(*runs, ignore=ignore)
    except UsageError as error:
        return Compared(None, [], str(error), configuration_differences(*runs))
    return Compared(comparison, _pairs(a, b, comparison))


def _pairs(a: RunIndex, b: RunIndex, comparison: Comparison) -> list[Pair]:
    """Return the tasks with a trial that was solved in only one of the runs."""
    cells = _cells(a), _cells(b)
    numbers = [{task: number for number, task in enumerate(index.config["tasks"])} for index in (a, b)]
    found = []
    for task_id, number in numbers[0].items():
        other = numbers[1].get(task_id)
        if other is None:
            continue
        both = [
            (trial, _at(cells[0], number, trial), _at(cells[1], other, trial)) for trial in range(comparison.trials)
        ]
        if any((before.kind == "solved") != (after.kind == "solved") for _, before, after in both):
            found.append(Pair(task_id, number, other, both))
    return found


def _at(cells: dict[tuple[int, int], Cell], task: int, trial: int) -> Cell:
    return cells.get((task, trial)) or one_cell(None, trial, chosen=True)


def _cells(index: RunIndex) -> dict[tuple[int, int], Cell]:
    with index.reading() as connection:
        rows: list[Any] = connection.execute(
            "SELECT e.task, e.trial, g.outcome, g.reward, g.reason FROM episodes e LEFT JOIN grades g"
            " ON g.task = e.task AND g.trial = e.trial"
        ).fetchall()
    return {(row["task"], row["trial"]): one_cell(row, row["trial"], chosen=True) for row in rows}
