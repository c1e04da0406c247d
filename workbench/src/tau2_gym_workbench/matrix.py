"""The matrix of a run, tasks by trials: its cells, filtered, sorted and page by page."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tau2_gym_workbench.index import RunIndex

PAGE = 100  # tasks per page
SIGNS = {"solved": "✓", "failed": "✗", "pending": "?", "unfinished": "·", "ungraded": "…"}
ERROR_SIGN = "!"
SORTS = ("order", "name", "worst", "best")


@dataclass(frozen=True, slots=True)
class Filter:
    """Selects cells: by a text in the task's id or the reason, an outcome, an unmet criterion, a group, or a persona.

    `fault` is the severity of the customer's worst fault; `any` selects minor and decisive faults.
    """

    text: str = ""
    outcome: str = ""
    criterion: str = ""
    fault: str = ""
    persona: str = ""
    group: int | None = None
    sort: str = "order"

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Filter:
        """Read a filter from a query string; invalid values are ignored."""
        group = query.get("group", "")
        sort = query.get("sort", "")
        return cls(
            query.get("q", "").strip(),
            query.get("outcome", ""),
            query.get("criterion", ""),
            query.get("fault", ""),
            query.get("persona", ""),
            int(group) if group.isascii() and group.isdigit() and len(group) < 10 else None,
            sort if sort in SORTS else "order",
        )

    @property
    def selects(self) -> bool:
        """Whether the filter excludes anything."""
        words = self.text or self.outcome or self.criterion or self.fault or self.persona
        return bool(words or self.group is not None)

    def query(self, **other: object) -> dict[str, object]:
        """Return the filter as a query string, with some values replaced."""
        own: dict[str, object] = {
            "q": self.text,
            "outcome": self.outcome,
            "criterion": self.criterion,
            "fault": self.fault,
            "persona": self.persona,
            "group": "" if self.group is None else self.group,
            "sort": "" if self.sort == "order" else self.sort,
        }
        return own | other


@dataclass(frozen=True, slots=True)
class Cell:
    """One episode in the matrix. `kind` is solved, failed, pending, error, ungraded or unfinished."""

    trial: int
    kind: str
    sign: str
    label: str
    reason: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A task's cells."""

    task: int
    task_id: str
    solved: int
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Matrix:
    """The rows of one page; `chosen` is the number of episodes that the filter selects on all pages."""

    rows: list[Row]
    tasks: int
    chosen: int
    page: int
    pages: int


def matrix(index: RunIndex, wanted: Filter, *, page: int = 1, length: int | None = PAGE) -> Matrix:
    """Return the rows with a selected cell: one page of `length` tasks, or all."""
    names, trials = index.config["tasks"], int(index.config["trials"])
    with index.reading() as connection:
        chosen = _chosen(connection, names, wanted) if wanted.selects else None
        solved = dict(connection.execute("SELECT task, sum(solved) FROM grades GROUP BY task"))
        tasks = [*range(len(names))] if chosen is None else sorted(chosen)
        order = {
            "order": lambda task: task,
            "name": lambda task: names[task],
            "worst": lambda task: (solved.get(task, 0), task),
            "best": lambda task: (-solved.get(task, 0), task),
        }[wanted.sort]
        tasks.sort(key=order)
        pages = 1 if length is None else max(1, -(-len(tasks) // length))
        page = min(max(1, page), pages)
        shown = tasks if length is None else tasks[(page - 1) * length : page * length]
        cells = _cells(connection, shown)
    rows = [
        Row(task, names[task], solved.get(task, 0), [
            one_cell(cells.get((task, trial)), trial, chosen is None or trial in chosen.get(task, ()))
            for trial in range(trials)
        ])
        for task in shown
    ]  # fmt: skip
    return Matrix(rows, len(tasks), sum(map(len, chosen.values())) if chosen else 0, page, pages)


def _chosen(connection: Any, names: list[str], wanted: Filter) -> dict[int, set[int]]:
    """Return the trials that the filter selects, by task."""
    where, values = ["1"], list[Any]()
    if wanted.outcome == "error":
        where.append("g.outcome LIKE '%_error'")
    elif wanted.outcome == "ungraded":
        where.append("g.outcome IS NULL")
    elif wanted.outcome == "not-solved":
        where.append("NOT coalesce(g.solved, 0)")
    elif wanted.outcome:
        where.append("g.outcome = ?")
        values.append(wanted.outcome)
    if wanted.fault == "any":
        where.append("g.customer_fault IN ('minor', 'decisive')")
    elif wanted.fault:
        where.append("g.customer_fault = ?")
        values.append(wanted.fault)
    if wanted.persona:
        where.append("e.persona = ?")
        values.append(wanted.persona)
    if wanted.group is not None:
        where.append("EXISTS (SELECT 1 FROM findings f WHERE f.task = e.task AND f.trial = e.trial AND f.number = ?)")
        values.append(wanted.group)
    rows = connection.execute(
        "SELECT e.task, e.trial, g.reason, g.states FROM episodes e LEFT JOIN grades g"  # noqa: S608 - our own words
        f" ON g.task = e.task AND g.trial = e.trial WHERE {' AND '.join(where)}",
        values,
    )
    found: dict[int, set[int]] = defaultdict(set)
    text = wanted.text.casefold()
    criterion, _, state = wanted.criterion.partition(":")
    for task, trial, reason, states in rows:
        if text and text not in names[task].casefold() and text not in (reason or "").casefold():
            continue
        if criterion and json.loads(states or "{}").get(criterion) != (state or "unmet"):
            continue
        found[task].add(trial)
    return found


def _cells(connection: Any, tasks: list[int]) -> dict[tuple[int, int], Any]:
    found = {}
    for start in range(0, len(tasks), 500):
        some = tasks[start : start + 500]
        rows = connection.execute(
            "SELECT e.task, e.trial, g.outcome, g.reward, g.reason FROM episodes e LEFT JOIN grades g"  # noqa: S608
            f" ON g.task = e.task AND g.trial = e.trial WHERE e.task IN ({', '.join('?' * len(some))})",
            some,
        )
        found.update({(row[0], row[1]): row for row in rows})
    return found


def one_cell(row: Any, trial: int, chosen: bool) -> Cell:
    """Return an episode as a cell; `row` is None if it is not finished."""
    if row is None:
        return Cell(trial, "unfinished", SIGNS["unfinished"], "not finished", "", chosen=False)
    outcome, reward = row["outcome"], row["reward"]
    if outcome is None:
        return Cell(trial, "ungraded", SIGNS["ungraded"], "not graded", "", chosen)
    kind = "error" if outcome.endswith("_error") else outcome
    label = outcome.replace("_", " ") + (f", reward {reward:g}" if reward is not None else "")
    return Cell(trial, kind, SIGNS.get(kind, ERROR_SIGN), label, row["reason"], chosen)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The episodes before and after one, ordered by task and trial; `failure` is the next that is not solved."""

    before: tuple[int, int] | None
    after: tuple[int, int] | None
    failure: tuple[int, int] | None


def neighbours(index: RunIndex, task: int, trial: int) -> Neighbours:
    """Return the recorded episodes before and after one."""
    with index.reading() as connection:

        def first(query: str) -> tuple[int, int] | None:
            found = connection.execute(query, (task, trial)).fetchone()
            return (found[0], found[1]) if found else None

        joined = "SELECT e.task, e.trial FROM episodes e LEFT JOIN grades g ON g.task = e.task AND g.trial = e.trial"
        ordered = "ORDER BY e.task, e.trial LIMIT 1"
        return Neighbours(
            first("SELECT task, trial FROM episodes WHERE (task, trial) < (?, ?) ORDER BY task DESC, trial DESC"),
            first("SELECT task, trial FROM episodes WHERE (task, trial) > (?, ?) ORDER BY task, trial"),
            first(f"{joined} WHERE (e.task, e.trial) > (?, ?) AND NOT coalesce(g.solved, 0) {ordered}"),
        )
