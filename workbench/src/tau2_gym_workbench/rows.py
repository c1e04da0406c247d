"""The rows that the index keeps of a record and a grade: an episode's figures, and why it failed."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import fsum, isfinite
from typing import Any

from tau2_core.model.episodes import EpisodeRecord, Usage
from tau2_core.model.evaluation import Check, Grade, Outcome
from tau2_core.model.latency import Speaker
from tau2_core.model.messages import AssistantMessage, UserMessage
from tau2_core.model.paired_calls import paired_calls
from tau2_core.records.counts import criterion_state
from tau2_core.records.reasons import reasons

LONGEST_REASON = 300
LARGEST = 2**53  # larger integers could overflow when SQLite adds them up
_GOLD_CALL = re.compile(r"(?:^|: )(\w+)\(")
_INDEX = re.compile(r"\[\d+\]")
_KEY = re.compile(r"^\W|^[^\[]*[^a-z_\[]")  # a digit, capital or dash marks an id or a date rather than a field's name


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that went wrong in an episode. `kind` is criterion, path, tool or error; `key` names it."""

    kind: str
    key: str


def episode_row(record: EpisodeRecord) -> dict[str, Any]:
    """Return the figures of a record by column. Raises ValueError for impossible values."""
    said = [each for each in record.messages if isinstance(each, AssistantMessage | UserMessage)]
    usages = list(record.usage.values())
    figures = {
        "messages": len(record.messages),
        "turns": sum(not each.tool_calls for each in said),
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
    }


def total_cost(usages: list[Usage]) -> float | None:
    """Return the cost in dollars; None if no model took part or a price is unknown."""
    costs = [usage.cost for usage in usages]
    return fsum(cost for cost in costs if cost is not None) if costs and None not in costs else None


def tool_counts(record: EpisodeRecord) -> Iterator[tuple[str, str, int, int]]:
    """Yield side, tool, the number of calls, and the number of failed calls."""
    made: Counter[tuple[str, str]] = Counter()
    failed: Counter[tuple[str, str]] = Counter()
    for each in paired_calls(record.messages):
        who = ("user" if each.by is UserMessage else "agent", each.call.name)
        made[who] += 1
        failed[who] += not each.succeeded
    for (side, name), count in made.items():
        yield side, name, count, failed[side, name]


def grade_row(grade: Grade) -> dict[str, Any]:
    """Return what the index keeps of a grade, by column. Raises ValueError if the reward is not a finite number."""
    if grade.reward is not None and not isfinite(grade.reward):
        raise ValueError(f"reward cannot be {grade.reward}")
    names = dict.fromkeys([*grade.basis, *grade.verdicts]) if grade.verdicts else {}
    why = "" if grade.solved else "; ".join(reasons(grade)[:2])
    return {
        "evaluators": grade.evaluators,
        "reward": grade.reward,
        "outcome": grade.outcome.value,
        "solved": grade.solved,
        "states": json.dumps({name: criterion_state(grade, name) for name in names}),
        "basis": json.dumps(grade.basis),
        "reason": why if len(why) <= LONGEST_REASON else f"{why[:LONGEST_REASON]}…",
    }


def timing_row(seconds: float, latency: Mapping[Speaker, Mapping[int, float]]) -> dict[str, Any]:
    """Return how long an episode took, and on average a message of each side; None where that is not recorded."""
    found: dict[str, Any] = {"seconds": seconds}
    sides: tuple[tuple[str, Speaker], ...] = (("agent", "agent"), ("customer", "user"))
    for column, speaker in sides:
        taken = latency.get(speaker)
        found[column] = fsum(taken.values()) / len(taken) if taken else None
    return found


def findings(grade: Grade) -> set[Finding]:
    """Return why an episode failed, in a form that groups it with others that failed in the same way."""
    if grade.outcome in (Outcome.SOLVED, Outcome.PENDING):
        return set()
    found = set()
    if grade.outcome is not Outcome.FAILED or not grade.verdicts:
        found.add(Finding("error", _error(grade)))
    for name in grade.basis:
        if criterion_state(grade, name) == "unmet":
            found.add(Finding("criterion", name))
    for name, verdict in grade.verdicts.items():
        for check in verdict.checks:
            if check.met is False:
                found |= set(_of_check(name, check))
    return found


def _error(grade: Grade) -> str:
    """Return whose error it was, or how the episode ended, without details that differ between episodes."""
    note = grade.note.partition(":")[0] if grade.note else grade.outcome.value
    return f"{grade.outcome.value}: {note}" if grade.outcome is not Outcome.FAILED else note


def _of_check(criterion: str, check: Check) -> Iterator[Finding]:
    for item in check.evidence:
        if isinstance(item.get("path"), str):
            yield Finding("path", pattern(item["path"]))
    if criterion == "ACTION" and (named := _GOLD_CALL.search(check.what)):
        why = "never called" if check.why == "never called" else "other arguments"
        yield Finding("tool", f"{named[1]}: {why}")


def pattern(path: str) -> str:
    """Return a path with indexes, and parts that look like a key, replaced by `*`: `loans.*.copies[*].due`."""
    table, *rest = path.split(".")
    return _INDEX.sub("[*]", ".".join([table, *("*" if _KEY.search(each) else each for each in rest)]))
