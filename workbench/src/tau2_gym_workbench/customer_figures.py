"""How the simulated customer and the judge affected a run's result, from its index and its summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from pydantic import ValidationError
from tau2_core.records.judge_trust import JudgeTrust
from tau2_core.records.statistics import Estimate

from tau2_gym_workbench.figures import Group, rate, summary_of
from tau2_gym_workbench.index import RunIndex


@dataclass(frozen=True, slots=True)
class PersonaRow:
    """The figures of the episodes with one persona. In `rate`, a slot without a usable result counts as failed."""

    name: str
    episodes: int
    rate: Estimate | None
    decisive: int


@dataclass(frozen=True, slots=True)
class CustomerFigures:
    """The faults of the customer, as in `tau2-gym report`.

    `rate_without` leaves out the failures that the customer caused, and counts `coverage_without` of the slots.
    """

    reviewed: int
    minor: int
    decisive: int
    caused_failures: int
    rate_without: Estimate | None
    coverage_without: float
    detectors: list[Group]
    personas: list[PersonaRow]


def customer_figures(index: RunIndex) -> CustomerFigures | None:
    """Return what the detectors found, and the rates by persona; None if no episode was reviewed."""
    tasks, trials = len(index.config["tasks"]), int(index.config["trials"])
    with index.reading() as connection:
        grades = connection.execute(
            "SELECT g.task, g.solved, g.reward, g.customer_fault, e.persona FROM grades g JOIN episodes e"
            " ON g.task = e.task AND g.trial = e.trial"
        ).fetchall()
        detectors = _detectors(connection)
        played = connection.execute("SELECT persona, task, count(*) FROM episodes GROUP BY persona, task").fetchall()
    faults = Counter(grade["customer_fault"] for grade in grades if grade["customer_fault"] is not None)
    if not faults:
        return None
    solved, kept = [0] * tasks, [0] * tasks
    caused = 0
    for grade in grades:
        solved[grade["task"]] += grade["solved"]
        own = grade["reward"] is not None and not grade["solved"] and grade["customer_fault"] == "decisive"
        kept[grade["task"]] += grade["reward"] is not None and not own
        caused += own
    return CustomerFigures(
        reviewed=faults.total(),
        minor=faults["minor"],
        decisive=faults["decisive"],
        caused_failures=caused,
        rate_without=rate(solved, kept),
        coverage_without=sum(kept) / (tasks * trials),
        detectors=detectors,
        personas=_personas(index.config, grades, played),
    )


def judge_figures(folder: Path) -> JudgeTrust | None:
    """Return what the run's summary says about its judge; None if nothing was judged or no summary can be read."""
    try:
        return JudgeTrust.model_validate(summary_of(folder)["judge"])
    except (KeyError, ValidationError):
        return None


def _detectors(connection: Connection) -> list[Group]:
    rows = connection.execute(
        "SELECT number, kind, key, count(*) AS episodes, count(DISTINCT task) AS tasks FROM findings"
        " JOIN groups USING (number) WHERE kind = 'detector' GROUP BY number ORDER BY episodes DESC, key"
    )
    return [Group(*row) for row in rows]


def _personas(config: Mapping[str, Any], grades: list[Any], played: list[Any]) -> list[PersonaRow]:
    names = config["user"].get("personas") or []
    tasks = len(config["tasks"])
    rows = []
    for name in names:
        sizes, solved = [0] * tasks, [0] * tasks
        for persona, task, count in played:
            sizes[task] += count * (persona == name)
        mine = [grade for grade in grades if grade["persona"] == name]
        for grade in mine:
            solved[grade["task"]] += grade["solved"]
        decisive = sum(grade["customer_fault"] == "decisive" for grade in mine)
        if sum(sizes):
            rows.append(PersonaRow(str(name), sum(sizes), rate(solved, sizes), decisive))
    return rows
