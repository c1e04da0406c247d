"""The mean reward corrected for the errors of the judge, with an interval that holds the judge's uncertainty too.

A judge with the rates fp and ff of false passes and false fails turns a statement that holds with probability t into a
pass with probability t*(1 - ff) + (1 - t)*fp. Solved for t, a pass counts (1 - fp)/(1 - fp - ff) and a fail
-fp/(1 - fp - ff), whose expected values are 1 for a statement that holds and 0 for one that does not (Rogan and Gladen,
American Journal of Epidemiology 107, 1978). An episode is met if all its statements are, so it counts the product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tau2_core.records.judge_calibration import CountedRate
from tau2_core.records.statistics import CONFIDENCE, Estimate, rate_with_variance

STEP = 1e-5  # for derivatives


@dataclass(frozen=True, slots=True)
class JudgedReward:
    """The reward of one slot: `fixed`, or `gain` times what its `met` and `unmet` statements count."""

    task: int
    fixed: float = 0.0
    gain: float = 0.0
    met: int = 0
    unmet: int = 0

    def corrected(self, false_pass: float, false_fail: float) -> float:
        """Return the reward that is expected without errors of the judge. It may be below 0 and above 1."""
        if not self.gain:
            return self.fixed
        informed = 1 - false_pass - false_fail
        passed, failed = (1 - false_pass) / informed, -false_pass / informed
        return self.fixed + self.gain * float(passed**self.met * failed**self.unmet)


def corrected_mean(
    rewards: Sequence[JudgedReward],
    tasks: int,
    trials: int,
    false_pass: CountedRate,
    false_fail: CountedRate,
    *,
    confidence: float = CONFIDENCE,
) -> Estimate | None:
    """Return the corrected mean reward over all slots, each task having `trials`; slots left out count 0.

    The variance is the sum of that between tasks, which holds the judge's errors in this run, and of that of the two
    error rates, which were measured on finitely many cases (delta method). None if the judge was not measured on
    both kinds of statements, or is no better than chance.
    """
    if not false_pass.of or not false_fail.of:
        return None
    fp, ff = false_pass.count / false_pass.of, false_fail.count / false_fail.of
    if fp + ff >= 1:
        return None
    slots = tasks * trials
    totals = [0.0] * tasks
    for reward in rewards:
        totals[reward.task] += reward.corrected(fp, ff)
    mean = sum(totals) / slots

    def moved(by_fp: float, by_ff: float) -> float:
        return sum(reward.corrected(fp + by_fp, ff + by_ff) for reward in rewards) / slots

    slopes = (moved(STEP, 0) - moved(-STEP, 0)) / (2 * STEP), (moved(0, STEP) - moved(0, -STEP)) / (2 * STEP)
    judge = sum(slope**2 * _variance(rate) for slope, rate in zip(slopes, (false_pass, false_fail), strict=True))
    between = 0.0
    if tasks > 1:
        between = tasks / (tasks - 1) * sum((total - mean * trials) ** 2 for total in totals) / slots**2
    return rate_with_variance(mean, between, judge, tasks=tasks, most=slots, confidence=confidence)


def _variance(rate: CountedRate) -> float:
    """Return the variance of a measured rate: that of Jeffreys' posterior, which is above 0 even without errors."""
    wrong, right = rate.count + 0.5, rate.of - rate.count + 0.5
    return wrong * right / ((rate.of + 1) ** 2 * (rate.of + 2))
