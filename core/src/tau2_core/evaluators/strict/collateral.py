"""COLLATERAL: even if end states are not compared, the agent's database must change only where the gold changes it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from tau2_core.evaluators.database import count
from tau2_core.evaluators.strict.database import SHOWN, near
from tau2_core.model.evaluation import Check, Evidence, Status, Verdict


def evaluate(evidence: Evidence, *, unordered: Sequence[str] = (), ignored: Sequence[str] = ()) -> Verdict:
    """Report changes of the agent's database at paths that the gold does not change."""
    criteria = evidence.task.evaluation_criteria
    if criteria is None or criteria.actions is None or "DB" in criteria.reward_basis:
        return Verdict(criterion="COLLATERAL", status=Status.VACUOUS, reward=1.0)
    differences = partial(evidence.differences, unordered=unordered, ignored=ignored)
    wanted = {tuple(change.path) for change in differences("start", "gold", "agent")}
    damage = [change for change in differences("start", "end", "agent") if not near(change, wanted)]
    why = f"{count(damage)} changed that the gold does not change (old: start, new: this episode)" if damage else ""
    shown = [change.as_json() for change in damage[:SHOWN]]
    checks = [Check(what="nothing else of the agent's database changed", met=not damage, why=why, evidence=shown)]
    checks += evidence.live_checks()
    met = all(check.met for check in checks)
    return Verdict(criterion="COLLATERAL", status=Status.GRADED, reward=float(met), checks=checks)
