"""The report of a study: rates by level, and how much of the variance each factor explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from tau2_core.api.study.playing import STUDY, read_description
from tau2_core.api.study.variance import Attribution, Share, attribute
from tau2_core.errors import RunError
from tau2_core.records.reader import RecordedRun, is_run, read_run
from tau2_core.records.statistics import CONFIDENCE, Estimate, clustered_rate


class StudyRun(BaseModel):
    """One run of the grid: its folder, the names of its levels, and its rate."""

    model_config = ConfigDict(extra="forbid")

    folder: str
    levels: dict[str, str]
    rate: Estimate


class Factor(BaseModel):
    """A factor: the rate of each level, how far the highest is from the lowest, and its share of the variance."""

    model_config = ConfigDict(extra="forbid")

    levels: dict[str, Estimate]
    spread: float
    share: float
    beyond_chance: Estimate | None


class FactorPair(BaseModel):
    """A pair of factors: what their combinations explain beyond each of them alone."""

    model_config = ConfigDict(extra="forbid")

    factors: tuple[str, str]
    share: float
    beyond_chance: Estimate | None


class StudyReport(BaseModel):
    """How an agent's rate depends on the factors. Rates are strict: a slot without a usable result counts as failed.

    The shares of `factors`, `pairs`, `tasks`, `tasks_and_factors` and `rest` add up to 1. `rest` is what differs
    between trials, and what more than two of tasks and factors explain together.
    """

    model_config = ConfigDict(extra="forbid")

    name: str
    folder: str
    domain: str
    agent: str
    tasks: int
    trials: int
    episodes: int
    confidence: float = CONFIDENCE
    rate: Estimate
    factors: dict[str, Factor]
    pairs: list[FactorPair] = Field(default_factory=list)
    tasks_share: float
    tasks_and_factors: dict[str, float]
    rest: float
    runs: list[StudyRun]


def study_report(folder: Path) -> StudyReport:
    """Return the report of a complete study. Raises RunError if a run lacks episodes or a file is damaged."""
    about = read_description(folder)
    try:
        factors: dict[str, list[str]] = about["factors"]
        listed = [(str(each["folder"]), dict(each["levels"])) for each in about["runs"]]
        whole = [tuple(levels[name] for name in factors) for _, levels in listed] == [*product(*factors.values())]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(f"{folder / STUDY} has the wrong form: {error!r}; restore it") from error
    if not whole:
        raise RunError(f"{folder / STUDY} does not have one run for each combination of levels; restore it")
    runs = [_complete(folder / name) for name, _ in listed]
    first = runs[0]
    by_run = [each.tally_of_grades(first.tasks, first.trials).solved for each in runs]
    solved = [[counts[task] for counts in by_run] for task in first.tasks]
    attribution = attribute(solved, {name: len(levels) for name, levels in factors.items()}, first.trials)
    everywhere = list(range(len(runs)))
    return StudyReport(
        name=folder.resolve().name,
        folder=str(folder),
        domain=first.config["domain"],
        agent=first.model("agent") or first.config["agent"]["name"],
        tasks=len(first.tasks),
        trials=first.trials,
        episodes=len(runs) * len(first.tasks) * first.trials,
        rate=_rate(solved, everywhere, first.trials),
        factors=_factors(factors, listed, solved, first.trials, attribution),
        pairs=[
            FactorPair(factors=names, share=each.share, beyond_chance=each.beyond_chance)
            for names, each in attribution.pairs.items()
        ],
        tasks_share=attribution.tasks,
        tasks_and_factors=dict(attribution.tasks_and_factors),
        rest=attribution.rest,
        runs=[
            StudyRun(folder=name, levels=levels, rate=_rate(solved, [number], first.trials))
            for number, (name, levels) in enumerate(listed)
        ],
    )


def _complete(folder: Path) -> RecordedRun:
    if not is_run(folder):
        raise RunError(f"{folder} is not played yet; continue with `tau2-gym study FILE --resume`")
    run = read_run(folder)
    missing = len(run.tasks) * run.trials - len(run.grades)
    if missing:
        raise RunError(f"{folder} lacks {missing} episodes; continue with `tau2-gym study FILE --resume`")
    return run


def _factors(
    factors: Mapping[str, Sequence[str]],
    listed: Sequence[tuple[str, Mapping[str, str]]],
    solved: Sequence[Sequence[int]],
    trials: int,
    attribution: Attribution,
) -> dict[str, Factor]:
    found = {}
    for name, levels in factors.items():
        rates = {
            level: _rate(solved, [number for number, (_, of) in enumerate(listed) if of[name] == level], trials)
            for level in levels
        }
        values = [rate.value for rate in rates.values()]
        share: Share = attribution.factors[name]
        found[name] = Factor(
            levels=rates, spread=max(values) - min(values), share=share.share, beyond_chance=share.beyond_chance
        )
    return found


def _rate(solved: Sequence[Sequence[int]], runs: Sequence[int], trials: int) -> Estimate:
    """Return the rate of some of the runs, with an interval clustered by task."""
    totals = [sum(counts[number] for number in runs) for counts in solved]
    rate = clustered_rate(totals, [len(runs) * trials] * len(totals))
    assert rate is not None  # a study has at least one episode
    return rate
