"""How a verdict is shown to people: its sign and remark. The command line and the workbench share them."""

from __future__ import annotations

from collections.abc import Collection

from tau2_core.model.evaluation import Status, Verdict

VACUOUS = "the task specifies nothing for it"
NOT_IN_REWARD = "not in the reward"
SIGNS = {
    "✓": "met",
    "✗": "not met",
    "·": VACUOUS,
    "…": "awaits a judge",
    "!": "could not be checked",
}


def verdict_sign(verdict: Verdict | None) -> str:
    """Return a verdict as one of `SIGNS`, "" if there is none."""
    if verdict is None:
        return ""
    if verdict.status is Status.VACUOUS:
        return "·"
    if verdict.reward is None:
        return "…" if verdict.status is Status.PENDING else "!"
    return "✓" if verdict.met else "✗"


def remark(criterion: str, verdict: Verdict, basis: Collection[str]) -> str:
    """Return what to add to a criterion's verdict: that it is vacuous, or does not count for the reward; else ""."""
    if verdict.status is Status.VACUOUS:
        return VACUOUS
    return "" if criterion in basis else NOT_IN_REWARD
