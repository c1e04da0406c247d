"""How much of the variance of rewards each factor of a balanced grid explains, with intervals over tasks.

Every combination of levels has the same tasks and trials, so the sums of squares of factors, pairs of factors, tasks
and the rest add up to the total in only one way (types I, II and III of the analysis of variance are the same).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from tau2_core.errors import MissingExtraError
from tau2_core.records.statistics import CONFIDENCE, Estimate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DRAWS = 2000
SEED = 300
AT_ONCE = 2_000_000  # numbers drawn at once

Axes = tuple[int, ...]  # of the grid; the tasks are axis 0, the factors follow


@dataclass(frozen=True, slots=True)
class Share:
    """A part of the variance.

    Attributes:
        share: its sum of squares as a share of the total (eta squared).
        beyond_chance: the same without what chance alone would give, 0 or more, with an interval; None where it is
            not known, as with one task.
    """

    share: float
    beyond_chance: Estimate | None


@dataclass(frozen=True, slots=True)
class Attribution:
    """The shares of the factors, of their pairs, of the tasks, of tasks with each factor, and of all the rest.

    They add up to 1, or are all 0 if no two episodes differ.
    """

    factors: Mapping[str, Share]
    pairs: Mapping[tuple[str, str], Share]
    tasks: float
    tasks_and_factors: Mapping[str, float]
    rest: float


def require_statistics() -> None:
    """Raise MissingExtraError without the libraries that a report needs."""
    try:
        import numpy  # noqa: F401
        import scipy  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("studies", "scipy", "stats") from error


def attribute(
    solved: Sequence[Sequence[int]], factors: Mapping[str, int], trials: int, *, confidence: float = CONFIDENCE
) -> Attribution:
    """Attribute the variance of solved episodes.

    Args:
        solved: for each task, how many of its trials were solved in each run, the last factor's levels changing first.
        factors: the number of levels of each factor.
        trials: the trials of each task in each run.
        confidence: that of the intervals.

    Raises MissingExtraError without numpy and scipy.
    """
    require_statistics()
    import numpy as np

    counts = np.asarray(solved, dtype=float).reshape(len(solved), *factors.values())
    numbers = range(1, counts.ndim)
    terms: list[Axes] = [*((each,) for each in numbers), *combinations(numbers, 2)]
    wanted: list[Axes] = [*terms, (0,), *((0, each) for each in numbers)]
    whole = _Squares(counts[None], trials)
    shares = {term: float(whole.share(term)[0]) for term in wanted}
    drawn: dict[Axes, list[Any]] = {term: [] for term in terms}
    for draws in _resampled(counts):
        squares = _Squares(draws, trials)
        for term in terms:
            drawn[term].append(squares.beyond_chance(term, times=2))

    def share(term: Axes) -> Share:
        if counts.shape[0] < 2:
            return Share(shares[term], None)
        value = float(whole.beyond_chance(term)[0])
        tail = (1 - confidence) / 2
        low, high = np.quantile(np.concatenate(drawn[term]), [tail, 1 - tail])
        found = max(0.0, value)
        return Share(shares[term], Estimate(found, min(found, max(0.0, float(low))), max(found, float(high))))

    names = dict(zip(numbers, factors, strict=True))
    explained = sum(shares.values())
    return Attribution(
        factors={names[each]: share((each,)) for each in numbers},
        pairs={(names[one], names[two]): share((one, two)) for one, two in combinations(numbers, 2)},
        tasks=shares[0,],
        tasks_and_factors={names[each]: shares[0, each] for each in numbers},
        rest=max(0.0, 1 - explained) if float(whole.total[0]) > 0 else 0.0,
    )


class _Squares:
    """Sums of squares of many grids at once: an array of draws × tasks × levels … of solved trials out of `trials`."""

    def __init__(self, counts: NDArray[np.float64], trials: int) -> None:
        self._means = counts / trials
        self._size = counts[0].size * trials
        mean = self._means.reshape(len(counts), -1).mean(axis=1)
        self.total = self._size * (mean - mean * mean)  # an episode counts 0 or 1, so its square is itself
        self._known: dict[Axes, NDArray[np.float64]] = {}

    def of(self, term: Axes) -> NDArray[np.float64]:
        """Return the sum of squares of an effect: of the means over its axes, without those of the effects in it."""
        if term not in self._known:
            others = tuple(axis + 1 for axis in range(self._means.ndim - 1) if axis not in term)
            means = self._means.mean(axis=others, keepdims=True)
            grand = self._means.mean(axis=tuple(range(1, self._means.ndim)), keepdims=True)
            deviations = ((means - grand) ** 2).reshape(len(means), -1)
            inner = [each for size in range(1, len(term)) for each in combinations(term, size)]
            found = deviations.mean(axis=1) * self._size
            self._known[term] = found - sum(self.of(each) for each in inner)
        return self._known[term]

    def share(self, term: Axes) -> NDArray[np.float64]:
        """Return the sum of squares as a share of the total, 0 if the total is 0."""
        return _ratio(self.of(term), self.total)

    def beyond_chance(self, term: Axes, *, times: int = 1) -> NDArray[np.float64]:
        """Return the share without what is expected if the effect differs between tasks but is 0 over all tasks.

        Its expectation is the sum of squares of tasks × effect, divided by the number of tasks less 1. `times` says how
        often it is subtracted.
        """
        tasks = self._means.shape[1]
        by_chance = self.of((0, *term)) / max(1, tasks - 1)
        return _ratio(self.of(term) - times * by_chance, self.total)


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 1e-12)


def _resampled(counts: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Yield bootstrap samples of the tasks, with replacement; the same ones each time."""
    import numpy as np

    random = np.random.default_rng(SEED)
    tasks = counts.shape[0]
    at_once = max(1, min(DRAWS, AT_ONCE // counts.size))
    for start in range(0, DRAWS, at_once):
        yield counts[random.integers(0, tasks, (min(at_once, DRAWS - start), tasks))]
