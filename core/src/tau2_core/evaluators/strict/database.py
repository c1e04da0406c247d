"""DB, strict: what the gold changes is changed in meaning, and nothing else is."""

from __future__ import annotations

from collections.abc import Sequence

from tau2_core.evaluators.database import count
from tau2_core.evaluators.evidence import ReplayedEvidence
from tau2_core.evaluators.strict.content import Meaning, semantic_differences
from tau2_core.model.evaluation import Check, Evidence, Status, Verdict
from tau2_core.state.difference import Change

SHOWN = 50


def evaluate(evidence: Evidence, *, unordered: Sequence[str] = (), ignored: Sequence[str] = ()) -> Verdict:
    """Compare end states; a difference where the gold changes nothing is named as collateral damage.

    `unordered` and `ignored` are path patterns besides those that the pack declares to be without meaning.
    """
    criteria = evidence.task.evaluation_criteria
    if criteria is None or criteria.actions is None:
        return Verdict(criterion="DB", status=Status.VACUOUS, reward=1.0)
    assert isinstance(evidence, ReplayedEvidence)
    meaning = meaning_of(evidence, unordered, ignored)
    checks = []
    for role, expected in evidence.gold.environment.worlds.items():
        actual = evidence.predicted.worlds[role]
        start = evidence.start.worlds[role]
        changes = semantic_differences(expected, actual, meaning)
        wanted = {change.path for change in semantic_differences(start, expected, meaning)}
        shown = [{"kind": _kind(change, wanted), **change.as_json()} for change in changes[:SHOWN]]
        damage = sum(_kind(change, wanted) == "collateral" for change in changes)
        why = f"differs from the gold's end state at {count(changes)}" if changes else ""
        if damage:
            why += f", {damage} of them collateral damage"
        checks.append(Check(what=f"{role} database", met=not changes, why=why, evidence=shown))
    checks += evidence.live_checks()
    met = all(check.met for check in checks)
    return Verdict(criterion="DB", status=Status.GRADED, reward=float(met), checks=checks)


def meaning_of(evidence: ReplayedEvidence, unordered: Sequence[str] = (), ignored: Sequence[str] = ()) -> Meaning:
    """Return what the pack, or a configuration, declares to be without meaning."""
    declared = evidence.setting.pack.manifest.evaluation
    return Meaning([*declared.unordered, *unordered], [*declared.ignored, *ignored])


def _kind(change: Change, wanted: set[tuple[str | int, ...]]) -> str:
    """Tell a change that the gold makes too, or should have, from one that nobody asked for."""
    near = any(path[: len(change.path)] == change.path or change.path[: len(path)] == path for path in wanted)
    return "wanted" if near else "collateral"
