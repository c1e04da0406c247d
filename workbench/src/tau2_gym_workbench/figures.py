"""The figures of a run, from its index: rates with intervals, outcomes, cost, and why episodes failed."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from dataclasses import dataclass, field
from math import fsum, isfinite
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from tau2_core.errors import MissingExtraError, Tau2GymError
from tau2_core.model.llm import JUDGES
from tau2_core.records.journal import SUMMARY, Journal
from tau2_core.records.statistics import Estimate, clustered_rate, pass_hat_k_estimates
from tau2_core.records.tally import pass_hat_k

from tau2_gym_workbench.folder import is_written_to
from tau2_gym_workbench.index import RunIndex

BARS = 24


@dataclass(frozen=True, slots=True)
class CriterionFigures:
    """How often a criterion is met, as in `tau2-gym report`: unchecked counts as not met."""

    name: str
    met: int
    unmet: int
    unchecked: int
    vacuous: int
    rate: Estimate | None
    in_basis: bool


@dataclass(frozen=True, slots=True)
class Distribution:
    """The distribution of a figure over episodes: a histogram from least to most, and the quartiles."""

    name: str
    unit: str
    bars: list[int]
    least: float
    median: float
    most: float
    mean: float


@dataclass
class RunFigures:
    """The figures of a whole run."""

    state: str
    slots: int
    finished: int
    evaluable: int
    solved: int
    pending: int
    mean_reward: float
    rate: Estimate | None
    pass_hat_k: dict[int, Estimate]
    outcomes: dict[str, int]
    cost: float | None
    tokens: int
    seconds: float | None
    damage: int
    tool_calls: int = 0
    tool_errors: int = 0
    criteria: list[CriterionFigures] = field(default_factory=list)
    solved_by_task: list[int] = field(default_factory=list)

    @property
    def coverage(self) -> float:
        """The share of slots that have a reward."""
        return self.evaluable / self.slots


def figures(index: RunIndex) -> RunFigures:
    """Return the figures of a run. Every slot counts; one that was not played or graded counts as failed."""
    tasks, trials = len(index.config["tasks"]), int(index.config["trials"])
    with index.reading() as connection:
        grades = connection.execute("SELECT task, solved, reward, outcome, states, basis FROM grades").fetchall()
        episodes = connection.execute(
            "SELECT count(*) AS number, sum(tool_calls) AS calls, sum(tool_errors) AS failed,"
            " sum(prompt_tokens + completion_tokens) AS tokens, sum(cost) AS cost, count(cost) AS priced FROM episodes"
        ).fetchone()
        judged = connection.execute(
            "SELECT count(*) AS number, sum(cost) AS cost, count(cost) AS priced, sum(tokens) AS tokens FROM judgements"
        ).fetchone()
        timed = connection.execute("SELECT sum(seconds) FROM timings").fetchone()[0]
        damage = connection.execute("SELECT count(*) FROM damage").fetchone()[0]
    solved = [0] * tasks
    for grade in grades:
        solved[grade["task"]] += grade["solved"]
    outcomes = Counter(grade["outcome"] for grade in grades)
    finished, slots = len(grades), tasks * trials
    return RunFigures(
        state=_state(index, finished, slots, damage),
        slots=slots,
        finished=finished,
        evaluable=sum(grade["reward"] is not None for grade in grades),
        solved=sum(solved),
        pending=outcomes["pending"],
        mean_reward=fsum(grade["reward"] or 0.0 for grade in grades) / slots,
        rate=rate(solved, [trials] * tasks),
        pass_hat_k=_pass_hat_k(solved, trials),
        outcomes=dict(outcomes.most_common()),
        cost=_cost(index, episodes, judged),
        tokens=(episodes["tokens"] or 0) + (judged["tokens"] or 0),
        seconds=_seconds(index.folder) or timed,
        damage=damage,
        tool_calls=episodes["calls"] or 0,
        tool_errors=episodes["failed"] or 0,
        criteria=_criteria(grades, tasks, trials),
        solved_by_task=solved,
    )


def _state(index: RunIndex, finished: int, slots: int, damage: int) -> str:
    if finished < slots and is_written_to(index.folder):
        return "running"
    if damage:
        return "damaged"
    return "complete" if finished >= slots else "stopped"


def _cost(index: RunIndex, episodes: Any, judged: Any) -> float | None:
    """Return the cost of the run; None if no model took part or a price is unknown."""
    told = index.config["models"]
    played = [role for role in told if role not in JUDGES]
    if not told or (played and episodes["priced"] < episodes["number"]) or judged["priced"] < judged["number"]:
        return None
    return (episodes["cost"] or 0.0) + (judged["cost"] or 0.0)


def _seconds(folder: Path) -> float | None:
    """Return the run's duration from its summary; None while there is no readable summary."""
    value = summary_of(folder).get("duration_seconds")
    return float(value) if isinstance(value, int | float) and isfinite(value) else None


def summary_of(folder: Path) -> dict[str, Any]:
    """Return the run's summary, {} while there is no readable one."""
    if not (folder / SUMMARY).exists():
        return {}
    try:
        found = Journal(folder, resume=True).read(SUMMARY)
    except Tau2GymError:
        return {}
    return found if isinstance(found, dict) else {}


def rate(totals: list[int], sizes: list[int]) -> Estimate | None:
    """Return a rate with its interval, without one if scipy (an extra) is not installed; None if `sizes` sum to 0."""
    if not sum(sizes):
        return None
    try:
        return clustered_rate(totals, sizes)
    except MissingExtraError:
        value = sum(totals) / sum(sizes)
        return Estimate(value, value, value)


def _pass_hat_k(solved: list[int], trials: int) -> dict[int, Estimate]:
    try:
        return pass_hat_k_estimates(solved, trials)
    except MissingExtraError:
        return {k: Estimate(value, value, value) for k, value in pass_hat_k(solved, trials).items()}


def _criteria(grades: list[Any], tasks: int, trials: int) -> list[CriterionFigures]:
    """Count each criterion's verdicts as the report does: a slot without a verdict is unchecked."""
    parsed: dict[str, Any] = {}  # the same few strings recur, so parse each once

    def read(text: str) -> Any:
        if text not in parsed:
            parsed[text] = json.loads(text)
        return parsed[text]

    basis = {name for grade in grades for name in read(grade["basis"])}
    names = basis | {name for grade in grades for name in read(grade["states"])}
    found = []
    for name in sorted(names):
        counts = [Counter[str]() for _ in range(tasks)]
        for grade in grades:
            states = read(grade["states"])
            counts[grade["task"]][states.get(name, "vacuous") if states else "unchecked"] += 1
        for count in counts:
            count["unchecked"] += trials - count.total()
        total = sum(counts, Counter[str]())
        every = [count["met"] + count["unmet"] + count["unchecked"] for count in counts]
        share = rate([count["met"] for count in counts], every) if total["met"] + total["unmet"] else None
        counted = (total["met"], total["unmet"], total["unchecked"], total["vacuous"])
        found.append(CriterionFigures(name, *counted, share, name in basis))
    return found


@dataclass(frozen=True, slots=True)
class Group:
    """Episodes that failed in the same way."""

    number: int
    kind: str
    key: str
    episodes: int
    tasks: int


def failure_groups(connection: Connection) -> dict[str, list[Group]]:
    """Return why episodes failed, by kind, the most frequent first."""
    rows = connection.execute(
        "SELECT number, kind, key, count(*) AS episodes, count(DISTINCT task) AS tasks"
        " FROM findings JOIN groups USING (number) GROUP BY number ORDER BY episodes DESC, key"
    )
    found: dict[str, list[Group]] = {}
    for row in rows:
        found.setdefault(row["kind"], []).append(Group(*row))
    return {kind: found[kind] for kind in ("criterion", "path", "tool", "error") if kind in found}


def tools(connection: Connection) -> list[Any]:
    """Return calls and failures by tool, the most called first."""
    return connection.execute(
        "SELECT side, name, sum(made) AS made, sum(failed) AS failed, count(*) AS episodes FROM calls"
        " GROUP BY side, name ORDER BY made DESC, name"
    ).fetchall()


def distributions(connection: Connection) -> list[Distribution]:
    """Return the distributions of turns, calls, dollars and seconds over episodes, leaving out unknown values.

    A side's latency is the mean of its messages in one episode.
    """
    wanted = {
        "turns": ("", "SELECT turns FROM episodes"),
        "tool calls": ("", "SELECT tool_calls FROM episodes"),
        "cost": ("$", "SELECT cost FROM episodes WHERE cost IS NOT NULL"),
        "time": ("s", "SELECT seconds FROM timings"),
        "agent’s latency": ("s", "SELECT agent FROM timings WHERE agent IS NOT NULL"),
        "customer’s latency": ("s", "SELECT customer FROM timings WHERE customer IS NOT NULL"),
    }
    found = []
    for name, (unit, query) in wanted.items():
        values = sorted(row[0] for row in connection.execute(query))
        if values and (values[-1] or name == "turns"):
            found.append(_distribution(name, unit, values))
    return found


def _distribution(name: str, unit: str, values: list[float]) -> Distribution:
    least, most = values[0], values[-1]
    width = (most - least) / BARS or 1
    bars = Counter(min(BARS - 1, int((value - least) / width)) for value in values)
    median, mean = statistics.median(values), statistics.fmean(values)
    return Distribution(name, unit, [bars[n] for n in range(BARS)], least, median, most, mean)


@dataclass(frozen=True, slots=True)
class Details:
    """What a run page shows beside the figures: why episodes failed, tools, distributions, and evaluator sets."""

    groups: dict[str, list[Group]]
    tools: list[Any]
    spreads: list[Distribution]
    evaluators: str


def details(index: RunIndex) -> Details:
    """Return the details of a run. This reads all its episodes: some tenths of a second for a large run."""
    with index.reading() as connection:
        sets = [row[0] for row in connection.execute("SELECT DISTINCT evaluators FROM grades ORDER BY 1")]
        return Details(failure_groups(connection), tools(connection), distributions(connection), " and ".join(sets))
