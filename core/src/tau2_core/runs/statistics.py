"""Statistics of runs without a library: intervals clustered by task, and the exact test of a paired difference.

A run's trials of one task resemble one another, so the task, not the episode, is the unit that is drawn: intervals
say what other tasks of the same kind would give.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from random import Random
from statistics import NormalDist

from tau2_core.runs.metrics import pass_hat_k

CONFIDENCE = 0.95
FLIPS = 20_000  # random flips, where the exact table would be too large
_LARGEST_TABLE = 10**11  # bits that the exact test may touch: about two seconds


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
    most sum(sizes). Where the data say nothing of the variance (one task, only ones, only zeros) it is T, as if a
    task's trials all ended alike. Other equal rates, whose variance is 0, get sum(sizes).

    Args:
        totals: what each task has reached, from 0 to its size.
        sizes: how many episodes of each task count; tasks of size 0 are left out.
        confidence: the share of such intervals that hold the true rate.

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
    return _wilson(rate, size, student_t(tasks - 1, confidence))


def pass_hat_k_estimates(
    successes: Sequence[int], trials: int, *, confidence: float = CONFIDENCE
) -> dict[int, Estimate]:
    """Return pass^k with its interval for k = 1 to `trials`, each task being one draw of C(c, k) / C(n, k).

    That ratio is a U-statistic, whose variance is at most that of the mean of floor(n/k) separate groups of k trials
    (Hoeffding, Annals of Mathematical Statistics 19, 1948); so many a task are the most that `clustered_rate` counts.
    """
    found = {}
    for k, value in pass_hat_k(successes, trials).items():
        groups = trials // k
        totals = [pass_hat_k([count], trials)[k] * groups for count in successes]
        estimate = clustered_rate(totals, [groups] * len(successes), confidence=confidence)
        assert estimate is not None
        found[k] = Estimate(value, min(estimate.low, value), max(estimate.high, value))
    return found


def _wilson(rate: float, size: float, quantile: float) -> Estimate:
    """Return Wilson's interval (Journal of the American Statistical Association 22, 1927) around a rate."""
    square = quantile * quantile / size
    centre = (rate + square / 2) / (1 + square)
    half = quantile / (1 + square) * math.sqrt(rate * (1 - rate) / size + square / (4 * size))
    return Estimate(rate, max(0.0, min(rate, centre - half)), min(1.0, max(rate, centre + half)))


def paired_difference(differences: Sequence[Fraction], *, confidence: float = CONFIDENCE) -> Estimate:
    """Return the mean of differences by task, each between -1 and 1, with an interval.

    The interval is Bonett and Price's adjusted Wald interval for paired proportions (Journal of Educational and
    Behavioral Statistics 37, 2012): two further tasks are counted that differ by plus and minus the largest difference
    seen, 1 if none is seen, so it has a width also where all tasks agree. Student's t stands for the normal quantile,
    as tasks may be few. One task says nothing of others: its interval is all that is possible.
    """
    tasks = len(differences)
    value = float(sum(differences) / tasks)
    if tasks == 1:
        return Estimate(value, -1.0, 1.0)
    far = float(max(map(abs, differences))) or 1.0
    mean = value * tasks / (tasks + 2)
    square = (sum(float(each) ** 2 for each in differences) + 2 * far * far) / (tasks + 2)
    half = student_t(tasks - 1, confidence) * math.sqrt((square - mean * mean) / (tasks + 2))
    return Estimate(value, max(-1.0, mean - half), min(1.0, mean + half))


@dataclass(frozen=True, slots=True)
class FlipTest:
    """The result of a sign-flip test: how likely so large a difference is if both runs are alike."""

    p_value: float
    exact: bool


def sign_flip_test(differences: Sequence[Fraction], *, seed: int = 0) -> FlipTest:
    """Test whether differences by task may come from two equal runs; two-sided.

    If both runs are alike, each task's difference may as well have the other sign (Fisher's randomisation test,
    The Design of Experiments, 1935, 21). The p-value is the share of all 2^m ways to sign the m differences that are
    not 0 whose sum is at least as far from 0 as the one seen. They are counted without listing them, as the
    coefficients of the product of (1 + x^(2d)) (Pagano and Tritchler, JASA 78, 1983). Where this table would be too
    large (thousands of tasks with many trials), random flips stand for all, and the one seen is counted among them
    (Phipson and Smyth, Statistical Applications in Genetics and Molecular Biology 9, 2010).

    Args:
        differences: one a task; fractions, so that equal sums are equal.
        seed: of the random flips.
    """
    scale = math.lcm(*(each.denominator for each in differences))
    whole = [int(each * scale) for each in differences if each]
    common = math.gcd(*whole) or 1
    sizes = [abs(each) // common for each in whole]
    seen = abs(sum(whole)) // common
    if 2 * sum(sizes) * (len(sizes) + 1) * len(sizes) <= _LARGEST_TABLE:
        return FlipTest(_share_as_far(sizes, seen), exact=True)
    random = Random(seed)
    as_far = sum(abs(sum(each if random.getrandbits(1) else -each for each in sizes)) >= seen for _ in range(FLIPS))
    return FlipTest((as_far + 1) / (FLIPS + 1), exact=False)


def _share_as_far(sizes: Sequence[int], seen: int) -> float:
    """Return the share of all signings of `sizes` whose sum is at least `seen` from 0.

    The polynomial is one whole number, `width` bits a coefficient: coefficient j counts the ways to give a plus to
    differences of sum j, and their signed sum is 2j - sum(sizes).
    """
    width, total = len(sizes) + 1, sum(sizes)
    ways = 1
    for size in sizes:
        ways += ways << (width * size)
    if seen == 0:
        return 1.0
    below = (total - seen) // 2  # as far on the minus side; the plus side mirrors it
    tail = ways & ((1 << (width * (below + 1))) - 1)
    count = tail % ((1 << width) - 1)  # the sum of its coefficients, as casting out nines gives a sum of digits
    return min(1.0, float(2 * count / 2 ** len(sizes)))


@lru_cache(maxsize=64)
def student_t(freedom: int, confidence: float) -> float:
    """Return the t that holds `confidence` of Student's distribution between -t and t, by bisection."""
    low, high = 0.0, 1.0
    while _student_share(high, freedom) < confidence:
        high *= 2
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        if _student_share(middle, freedom) < confidence:
            low = middle
        else:
            high = middle
    return high


def _student_share(t: float, freedom: int) -> float:
    """Return the share between -t and t (Abramowitz and Stegun, 26.7.3 and 26.7.4; for whole degrees of freedom)."""
    angle = math.atan(t / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = 0.0 if freedom == 1 else term
    for index in range(3 if odd else 2, freedom, 2):
        term *= cosine * cosine * (index - 1) / index
        total += term
    return 2 / math.pi * (angle + sine * total) if odd else sine * total
