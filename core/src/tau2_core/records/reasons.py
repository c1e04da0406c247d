"""Explanations of a grade below the full reward: the check, and the path, the call or the text behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from tau2_core.model.evaluation import Check, Grade, Status, Verdict, reaches
from tau2_core.records.figures import ExplainedGrade

SHOWN_PATHS = 4
SHOWN_CALLS = 2
LONGEST_VALUE = 60
_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode


def reasons(grade: Grade | ExplainedGrade, most: int | None = None) -> list[str]:
    """Return why a grade is not the full reward: unmet checks first, then the note; only the first `most` if given."""
    return list(islice(_reasons(grade), most))


def _reasons(grade: Grade | ExplainedGrade) -> Iterator[str]:
    if grade.reward is not None:
        for criterion in grade.basis:
            verdict = grade.verdicts.get(criterion)
            if verdict is not None and verdict.status is not Status.PENDING:
                yield from _unmet(grade, criterion, verdict)
    if grade.note and not (grade.reward is not None and reaches(grade.reward)):
        yield grade.note


def _unmet(grade: Grade | ExplainedGrade, criterion: str, verdict: Verdict) -> Iterator[str]:
    state = _state(grade) if criterion == "ENV_ASSERTION" else ""
    for check in verdict.checks:
        if not check.met:
            reason = f"{criterion}: {explained(check)}"
            yield f"{reason}; the state behind it: {state}" if state else reason
            state = ""  # once is enough


def explained(check: Check) -> str:
    """Return the text of a check with its evidence: paths with both values, or the closest calls."""
    text = f"{check.what}: {check.why}" if check.why else check.what
    detail = _paths(check.evidence) or _calls(check)
    return f"{text}: {detail}" if detail else text


def _state(grade: Grade | ExplainedGrade) -> str:
    """Return where the end state differs from the gold state, since an assertion does not show what it checked."""
    verdicts: Sequence[Verdict] = [grade.verdicts[name] for name in ("DB", "COLLATERAL") if name in grade.verdicts]
    checks = [check for verdict in verdicts for check in verdict.checks if not check.met]
    parts = [f"{check.what}: {paths}" for check in reversed(checks) if (paths := _paths(check.evidence))]
    return "; ".join(parts)


def _paths(evidence: Sequence[dict[str, Any]]) -> str:
    items = [item for item in evidence if "path" in item and ("old" in item or "new" in item)]
    shown = [f"{item['path']} (gold {_value(item, 'old')}, here {_value(item, 'new')})" for item in items[:SHOWN_PATHS]]
    return ", ".join(shown) + _more(items, SHOWN_PATHS)


def _calls(check: Check) -> str:
    if check.met:
        return ""
    made = [item["made"] for item in check.evidence if "made" in item]
    return ", ".join(_short(each) for each in made[:SHOWN_CALLS]) + _more(made, SHOWN_CALLS)


def _more(items: Sequence[object], shown: int) -> str:
    return f" and {len(items) - shown} more" if len(items) > shown else ""


def _value(item: dict[str, Any], side: str) -> str:
    return _short(item[side]) if side in item else "absent"


def _short(value: Any) -> str:
    text = _encode(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
