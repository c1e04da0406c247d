"""The grid of a study: one run for each combination of levels, each in its own folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from tau2_core.api.study.declaration import with_levels
from tau2_core.errors import UsageError
from tau2_core.runs.composition import Composition, compose
from tau2_core.runs.options import Options

LONGEST_NAME = 100
#: Factors that only decide how a conversation is graded: it is played once for all of their levels.
GRADING = frozenset({"judge", "judge_model", "judge_rule", "judge_all", "evaluators"})


@dataclass(frozen=True)
class Cell:
    """One run of a study: the names of its levels by factor, and its options.

    `source` is the folder of the run with the same conversations, None for a run that is played.
    """

    name: str
    levels: Mapping[str, str]
    options: Options
    source: Path | None

    @property
    def folder(self) -> Path:
        return self.options.out / self.name


@dataclass(frozen=True)
class Grid:
    """The runs of a study, those that are played before those that are graded from them."""

    name: str
    folder: Path
    factors: Mapping[str, Sequence[str]]
    cells: Sequence[Cell]


def grid_of(shared: Options, levels: Mapping[str, Mapping[str, Any]], name: str, out: Path) -> Grid:
    """Return the runs with these options and levels, the last factor's levels changing first."""
    folder = out / name
    factors = {factor: list(each) for factor, each in levels.items()}
    return Grid(name, folder, factors, list(_cells(shared, levels, folder)))


def _cells(shared: Options, levels: Mapping[str, Mapping[str, Any]], folder: Path) -> Iterator[Cell]:
    played: dict[tuple[str, ...], Path] = {}
    for number, names in enumerate(product(*levels.values()), 1):
        chosen = dict(zip(levels, names, strict=True))
        values = {factor: levels[factor][level] for factor, level in chosen.items()}
        options = with_levels(shared, values)
        name = _folder_name(number, chosen)
        options = options.model_copy(update={"out": folder, "name": name})
        conversations = tuple(level for factor, level in chosen.items() if factor not in GRADING)
        source = played.get(conversations)
        if source is None:
            played[conversations] = folder / name
        yield Cell(name, chosen, options, source)


def _folder_name(number: int, levels: Mapping[str, str]) -> str:
    text = "-".join(f"{factor}={level}" for factor, level in levels.items())
    return f"{number:03}-" + re.sub(r"[^\w.@+=-]+", "_", text)[:LONGEST_NAME].rstrip(". ")


def composed(cell: Cell) -> Composition:
    """Return the run of a cell. Raises UsageError, which names the run, and PackError."""
    try:
        return compose(cell.options)
    except UsageError as error:
        raise UsageError(f"{cell.name}: {error}") from error


def check_cells(grid: Grid) -> int:
    """Check all runs before the first is played, and return the number of episodes of each.

    Raises UsageError if one cannot be played, or plays other slots than the first; PackError.
    """
    first: tuple[list[str], int] | None = None
    for cell in grid.cells:
        plan = composed(cell).plan
        if plan.interactive:
            raise UsageError("a person cannot play all runs of a study; name another agent and user")
        slots = [task.id for task in plan.tasks], plan.trials
        if first is None:
            first = slots
        elif slots != first:
            raise UsageError(
                f"{cell.name} plays other tasks or trials than {grid.cells[0].name}, so they cannot be compared; "
                "name the tasks with `task` or `split` under `run`"
            )
    assert first is not None  # a factor has levels
    return len(first[0]) * first[1]
