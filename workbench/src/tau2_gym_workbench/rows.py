"""The rows that the index keeps of a record and a grade: an episode's figures, and why it failed."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from math import fsum, isfinite
from typing import Any, NamedTuple

from tau2_core.model.episodes import Usage
from tau2_core.model.evaluation import Check, Outcome
from tau2_core.model.latency import Speaker
from tau2_core.records.counts import criterion_state
from tau2_core.records.figures import ExplainedGrade, JudgementFigures
from tau2_core.records.reasons import reasons

from tau2_gym_workbench.line_parts import CallPart, EpisodePart, GradePart, Timing

LONGEST_REASON = 300
LARGEST = 2**53  # larger integers could overflow when SQLite adds them up
SIDES = {"assistant": "agent", "user": "user"}  # by the role of a message with calls
REMEMBERED = 4096  # entries in each cache of values that many episodes share
_GOLD_CALL = re.compile(r"(?:^|: )(\w+)\(")
_INDEX = re.compile(r"\[\d+\]")
_KEY = re.compile(r"^\W|^[^\[]*[^a-z_\[]")  # a digit, capital or dash marks an id or a date rather than a field's name


class Finding(NamedTuple):
    """One thing that went wrong in an episode. `kind` is criterion, path, tool, error or detector; `key` names it.

    A finding of a detector is a fault of the customer, which can also occur in a solved episode.
    """

    kind: str
    key: str


def episode_row(record: EpisodePart) -> dict[str, Any]:
    """Return the figures of a record by column. Raises ValueError for impossible values."""
    usages = list(record.usage.values())
    figures = {
        "messages": len(record.messages),
        "turns": sum(each.role in SIDES and not each.tool_calls for each in record.messages),
        "steps": record.steps,
        "tool_calls": record.tool_calls,
        "tool_errors": sum(record.tool_errors.values()),
        "cost": total_cost(usages),
        "prompt_tokens": sum(usage.prompt_tokens for usage in usages),
        "completion_tokens": sum(usage.completion_tokens for usage in usages),
    }
    for name, value in figures.items():
        if value is not None and not 0 <= value < LARGEST:  # also rejects NaN
            raise ValueError(f"{name} cannot be {value}")
    return figures | {
        "seed": record.seed,
        "termination": record.termination.value,
        "error": record.error or "",
        "persona": record.persona,
    }


def total_cost(usages: list[Usage]) -> float | None:
    """Return the cost in dollars; None if no model took part or a price is unknown."""
    costs = [usage.cost for usage in usages]
    return fsum(cost for cost in costs if cost is not None) if costs and None not in costs else None


def tool_counts(record: EpisodePart) -> Iterator[tuple[str, str, int, int]]:
    """Yield side, tool, the number of calls, and the number of failed calls.

    Results follow the message with the calls, in their order. A call without a result has failed.
    """
    made: Counter[tuple[str, str]] = Counter()
    succeeded: Counter[tuple[str, str]] = Counter()
    unanswered: Iterator[CallPart] = iter(())
    side = ""
    for message in record.messages:
        if message.role == "tool":
            call = next(unanswered, None)
            if call is not None and not message.error:
                succeeded[side, call.name] += 1
            continue
        side = SIDES.get(message.role, "")
        calls = message.tool_calls if side and message.tool_calls else ()
        for call in calls:
            made[side, call.name] += 1
        unanswered = iter(calls)
    for (side, name), count in made.items():
        yield side, name, count, count - succeeded[side, name]


def grade_row(grade: GradePart) -> dict[str, Any]:
    """Return what the index keeps of a grade, by column. Raises ValueError if the reward is not a finite number."""
    if grade.reward is not None and not isfinite(grade.reward):
        raise ValueError(f"reward cannot be {grade.reward}")
    names = dict.fromkeys([*grade.basis, *grade.verdicts]) if grade.verdicts else {}
    states = tuple((name, criterion_state(grade, name)) for name in names)
    why = "" if grade.solved else "; ".join(reasons(grade, 2))
    return {
        "evaluators": grade.evaluators,
        "reward": grade.reward,
        "outcome": grade.outcome.value,
        "solved": grade.solved,
        "states": _states_text(states),
        "basis": _basis_text(tuple(grade.basis)),
        "reason": why if len(why) <= LONGEST_REASON else f"{why[:LONGEST_REASON]}…",
        "customer_fault": grade.user_review.customer_fault if grade.user_review else None,
    }


@lru_cache(REMEMBERED)
def _states_text(states: tuple[tuple[str, str], ...]) -> str:
    return json.dumps(dict(states))


@lru_cache(REMEMBERED)
def _basis_text(basis: tuple[str, ...]) -> str:
    return json.dumps(basis)


def judgement_row(judgement: JudgementFigures) -> dict[str, Any]:
    """Return the model that judged, whether it failed, and what it used."""
    usage = judgement.usage
    return {
        "model": judgement.model,
        "failed": bool(judgement.error),
        "cost": total_cost([usage]),
        "tokens": usage.prompt_tokens + usage.completion_tokens,
    }


def timing_row(timing: Timing) -> dict[str, Any]:
    """Return the seconds that an episode took, and the mean of each side's messages; None where not recorded."""
    found: dict[str, Any] = {"seconds": timing.seconds}
    sides: tuple[tuple[str, Speaker], ...] = (("agent", "agent"), ("customer", "user"))
    for column, speaker in sides:
        taken = timing.latency.get(speaker)
        found[column] = fsum(taken.values()) / len(taken) if taken else None
    return found


def findings(grade: GradePart) -> set[Finding]:
    """Return what went wrong in an episode, in words that are the same for all episodes with the same fault."""
    review = grade.user_review
    found = {Finding("detector", each.detector) for each in review.findings} if review else set()
    if grade.outcome in (Outcome.SOLVED, Outcome.PENDING):
        return found
    if grade.outcome is not Outcome.FAILED or not grade.verdicts:
        found.add(Finding("error", _error(grade)))
    for name in grade.basis:
        if criterion_state(grade, name) == "unmet":
            found.add(Finding("criterion", name))
    for name, verdict in grade.verdicts.items():
        for check in verdict.checks:
            if check.met is False:
                _add_findings(found, name, check)
    return found


def _error(grade: ExplainedGrade) -> str:
    """Return whose error it was, or how the episode ended, without details that differ between episodes."""
    note = grade.note.partition(":")[0] if grade.note else grade.outcome.value
    return f"{grade.outcome.value}: {note}" if grade.outcome is not Outcome.FAILED else note


def _add_findings(found: set[Finding], criterion: str, check: Check) -> None:
    for item in check.evidence:
        if isinstance(path := item.get("path"), str):
            found.add(Finding("path", pattern(path)))
    if criterion == "ACTION" and (named := _GOLD_CALL.search(check.what)):
        why = "never called" if check.why == "never called" else "other arguments"
        found.add(Finding("tool", f"{named[1]}: {why}"))


@lru_cache(REMEMBERED)
def pattern(path: str) -> str:
    """Return a path with indexes, and parts that look like a key, replaced by `*`: `loans.*.copies[*].due`."""
    table, *rest = path.split(".")
    return _INDEX.sub("[*]", ".".join([table, *("*" if _KEY.search(each) else each for each in rest)]))
