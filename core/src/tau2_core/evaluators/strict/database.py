"""DB, strict: the databases are changed as by the gold, compared by meaning, and not elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from tau2_core.evaluators.database import count
from tau2_core.model.evaluation import Check, Evidence, StateDifference, Status, Verdict

SHOWN = 50


def evaluate(evidence: Evidence, *, unordered: Sequence[str] = (), ignored: Sequence[str] = ()) -> Verdict:
    """Compare end states. A difference where the gold changes nothing is reported as collateral damage.

    `unordered` and `ignored` are path patterns in addition to those that the pack declares.
    """
    criteria = evidence.task.evaluation_criteria
    if criteria is None or criteria.actions is None:
        return Verdict(criterion="DB", status=Status.VACUOUS, reward=1.0)
    differences = partial(evidence.differences, unordered=unordered, ignored=ignored)
    checks = []
    for role in evidence.roles:
        changes = differences("gold", "end", role)
        wanted = {tuple(change.path) for change in differences("start", "gold", role)}
        shown = [{"kind": _kind(change, wanted), **change.as_json()} for change in changes[:SHOWN]]
        damage = sum(_kind(change, wanted) == "collateral" for change in changes)
        why = f"differs from the gold's end state at {count(changes)}" if changes else ""
        if damage:
            why += f", {damage} of them collateral damage"
        checks.append(Check(what=f"{role} database", met=not changes, why=why, evidence=shown))
    checks += evidence.live_checks()
    met = all(check.met for check in checks)
    return Verdict(criterion="DB", status=Status.GRADED, reward=float(met), checks=checks)


def near(change: StateDifference, wanted: Iterable[tuple[str | int, ...]]) -> bool:
    """Tell whether a change is at, above or below a path that the gold changes."""
    at = tuple(change.path)
    return any(path[: len(at)] == at or at[: len(path)] == path for path in wanted)


def _kind(change: StateDifference, wanted: Iterable[tuple[str | int, ...]]) -> str:
    """Return whether a difference is a missing or wrong change, or collateral damage."""
    return "wanted" if near(change, wanted) else "collateral"
