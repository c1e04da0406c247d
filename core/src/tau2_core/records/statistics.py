"""Statistics of runs: intervals clustered by task, and the exact test of a paired difference.

Trials of one task resemble each other, so the sampling unit is the task and not the episode: intervals describe the
result for other tasks of the same kind.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from tau2_core.errors import MissingExtraError
from tau2_core.records.tally import combinations, pass_hat_k

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with the ends of its confidence interval."""

    value: float
    low: float
    high: float


def clustered_rate(totals: Sequence[float], sizes: Sequence[int], *, confidence: float = CONFIDENCE) -> Estimate | None:
    """Return sum(totals) / sum(sizes), a rate between 0 and 1, with an interval clustered by task.

    The variance is that of a ratio of cluster totals, `T/(T-1) * sum((total - rate*size)^2) / sum(sizes)^2` (Cochran,
    Sampling Techniques, 1977, 6.4; Miller, Adding Error Bars to Evals, arXiv:2411.00640). The interval is Wilson's
    with the sample size that would give this variance, `rate*(1-rate)/variance`, and Student's t with T-1 degrees of
    freedom (Franco, Little, Louis and Slud, Journal of Survey Statistics and Methodology 7, 2019). That size is at
    most sum(sizes). If the data do not determine the variance (one task, only ones, only zeros) it is T, as if all
    trials of a task had the same result. Other equal rates, whose variance is 0, get sum(sizes).

    Args:
        totals: the total of each task, from 0 to its size.
        sizes: how many episodes of each task count; tasks of size 0 are left out.
        confidence: the share of such intervals that contain the true rate.

    Returns:
        The estimate, or None if nothing counts.
    """
    clusters = [(total, size) for total, size in zip(totals, sizes, strict=True) if size]
    everything = sum(size for _, size in clusters)
    if not everything:
        return None
    rate = min(1.0, sum(total for total, _ in clusters) / everything)
    tasks = len(clusters)
    if tasks == 1 or rate in (0.0, 1.0):
        return _wilson(rate, tasks, NormalDist().inv_cdf((1 + confidence) / 2))
    squares = sum((total - rate * size) ** 2 for total, size in clusters)
    variance = tasks / (tasks - 1) * squares / everything**2
    size = everything if variance == 0 else min(everything, rate * (1 - rate) / variance)
    return _wilson(rate, size, _student_t(tasks - 1, confidence))


def pass_hat_k_estimates(
    successes: Sequence[int], trials: int, *, confidence: float = CONFIDENCE
) -> dict[int, Estimate]:
    """Return pass^k with its interval for k = 1 to `trials`, each task being one draw of C(c, k) / C(n, k).

    That ratio is a U-statistic, whose variance is at most that of the mean of floor(n/k) separate groups of k trials
    (Hoeffding, Annals of Mathematical Statistics 19, 1948); so `clustered_rate` counts at most that many per task.
    """
    found = {}
    values = pass_hat_k(successes, trials)
    for (k, value), (ways, all_ways) in zip(values.items(), combinations(successes, trials), strict=False):
        groups = trials // k
        chances = {count: number / all_ways * groups for count, number in ways.items()}
        totals = [chances[count] for count in successes]
        estimate = clustered_rate(totals, [groups] * len(successes), confidence=confidence)
        assert estimate is not None
        found[k] = Estimate(value, min(estimate.low, value), max(estimate.high, value))
    return found


def rate_with_variance(
    rate: float, between: float, measured: float, *, tasks: int, most: float, confidence: float = CONFIDENCE
) -> Estimate:
    """Return an estimated rate with Wilson's interval for its variance, as `clustered_rate` does for a counted one.

    Args:
        rate: the estimate, which is moved to 0 or 1 if it is beyond.
        between: its variance between tasks; 0 if the data do not determine it, as for equal tasks.
        measured: the variance of what the estimate was corrected with.
        tasks: the number of tasks.
        most: the number of episodes, which is the largest size of sample that the variance can stand for.
        confidence: the share of such intervals that contain the true rate.
    """
    rate = min(1.0, max(0.0, rate))
    inner = rate if 0 < rate < 1 else (rate * tasks + 0.5) / (tasks + 1)
    spread = inner * (1 - inner)
    size = spread / ((between or spread / tasks) + measured)
    quantile = _student_t(tasks - 1, confidence) if tasks > 1 else NormalDist().inv_cdf((1 + confidence) / 2)
    return _wilson(rate, min(most, size), quantile)


def _wilson(rate: float, size: float, quantile: float) -> Estimate:
    """Return Wilson's interval (Journal of the American Statistical Association 22, 1927) around a rate."""
    square = quantile * quantile / size
    centre = (rate + square / 2) / (1 + square)
    half = quantile / (1 + square) * math.sqrt(rate * (1 - rate) / size + square / (4 * size))
    return Estimate(rate, max(0.0, min(rate, centre - half)), min(1.0, max(rate, centre + half)))


def exact_rate(count: int, size: int, *, confidence: float = CONFIDENCE) -> Estimate | None:
    """Return count / size with Clopper and Pearson's interval (Biometrika 26, 1934); None if nothing counts.

    At least `confidence` of such intervals contain the true rate, for any rate and size of independent cases.
    """
    if not size:
        return None
    try:
        from scipy.special import betaincinv
    except ImportError as error:
        raise MissingExtraError("confidence intervals", "scipy", "stats") from error

    tail = (1 - confidence) / 2
    low = 0.0 if count == 0 else float(betaincinv(count, size - count + 1, tail))
    high = 1.0 if count == size else float(betaincinv(count + 1, size - count, 1 - tail))
    return Estimate(count / size, low, high)


def _student_t(freedom: int, confidence: float) -> float:
    """Return t such that `confidence` of Student's distribution is between -t and t."""
    try:
        from scipy.special import stdtrit
    except ImportError as error:
        raise MissingExtraError("confidence intervals", "scipy", "stats") from error

    return float(stdtrit(freedom, (1 + confidence) / 2))


def paired_difference(changes: Sequence[int], trials: int, *, confidence: float = CONFIDENCE) -> Estimate:
    """Return the mean over tasks of changes / trials, a difference of two rates, with an interval.

    The interval is Bonett and Price's adjusted Wald interval for paired proportions (Journal of Educational and
    Behavioral Statistics 37, 2012): two further tasks are counted that differ by plus and minus the largest difference
    seen, 1 if none is seen, so it has a width also where all tasks agree. Student's t stands for the normal quantile,
    as tasks may be few. One task says nothing about others, so its interval is the whole range.

    Args:
        changes: by task, how many more of its trials the second run solved than the first.
        trials: how many trials each task had in each run.
        confidence: the share of such intervals that contain the true difference.
    """
    tasks = len(changes)
    differences = [change / trials for change in changes]
    value = sum(changes) / (tasks * trials)
    if tasks == 1:
        return Estimate(value, -1.0, 1.0)
    far = max(map(abs, differences)) or 1.0
    mean = value * tasks / (tasks + 2)
    square = (sum(each * each for each in differences) + 2 * far * far) / (tasks + 2)
    half = _student_t(tasks - 1, confidence) * math.sqrt((square - mean * mean) / (tasks + 2))
    return Estimate(value, max(-1.0, mean - half), min(1.0, mean + half))


def sign_flip_test(changes: Sequence[int]) -> float:
    """Return the two-sided p-value of whole differences by task: how likely so large a sum is if both runs are alike.

    If both runs are alike, each task's difference may as well have the other sign (Fisher's randomisation test,
    The Design of Experiments, 1935, 21). The p-value is the share of all ways to sign the differences whose sum is at
    least as far from 0 as the one seen. The sum's distribution is built up task by task (Pagano and Tritchler, JASA
    78, 1983), so the test is exact for any number of tasks; scipy's `permutation_test` draws from more than some 16.
    """
    try:
        import numpy as np
    except ImportError as error:
        raise MissingExtraError("tests of a difference", "numpy", "stats") from error

    chances = np.ones(1)  # of the sums -reach to reach
    for change in changes:
        nothing = np.zeros(2 * abs(change))
        chances = (np.concatenate([chances, nothing]) + np.concatenate([nothing, chances])) / 2
    reach = len(chances) // 2
    return min(1.0, float(chances[np.abs(np.arange(-reach, reach + 1)) >= abs(sum(changes))].sum()))
