"""Thresholds, and the aggregation and the standard error of scores (spec/evaluation_test.md, 4)."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from pydantic import ValidationError
from tau2_core.errors import UsageError

from tau2_gym_eval_protocol.rows import EvaluationThreshold

Aggregation = Literal["mean", "max", "min", "bootstrap"]
RESAMPLES = 100


def read_threshold(given: object) -> EvaluationThreshold | None:
    """Return a threshold from a number, a dict, a threshold, or JSON text of a number or a dict.

    An int is accepted too; eval-protocol silently ignores it. Raises UsageError.
    """
    if given is None or isinstance(given, EvaluationThreshold):
        return given
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError as error:
            raise UsageError(f"passed_threshold {given!r}: should be a number or a JSON object") from error
    if isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given):
        return EvaluationThreshold(success=float(given))
    if isinstance(given, Mapping) and not given.keys() - {"success", "standard_error"}:
        try:
            return EvaluationThreshold.model_validate(dict(given))
        except ValidationError as error:
            detail = error.errors(include_url=False)[0]
            raise UsageError(f"passed_threshold: {detail['loc'][0]}: {detail['msg']}") from error
    raise UsageError(f"passed_threshold {given!r}: should be a number, or a dict of `success` and `standard_error`")


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """The standard error of a mean, and the interval of eval-protocol's summary."""

    standard_error: float
    low: float
    high: float


def aggregate(method: Aggregation, runs: Sequence[Sequence[float]], seed: int = 0) -> float:
    """Return one score for several runs' scores; 0.0 if there are none. `bootstrap` is seeded."""
    if method == "bootstrap":
        scores = [score for run in runs for score in run]
        random = Random(seed)  # noqa: S311 - repeatable on purpose
        means = [statistics.fmean(random.choices(scores, k=len(scores))) for _ in range(RESAMPLES if scores else 0)]
        return statistics.fmean(means) if means else 0.0
    means = [statistics.fmean(run) for run in runs if run]
    if not means or method == "mean":
        return statistics.fmean(means) if means else 0.0
    return max(means) if method == "max" else min(means)


def uncertainty(questions: Sequence[Sequence[float]]) -> Uncertainty | None:
    """Return the standard error of scores by question, by the official formula, and its 95 % interval.

    The formula uses only the spread among the runs of a question: if each question has one run, it is 0.
    """
    asked = [scores for scores in questions if scores]
    if not asked:
        return None
    means = [statistics.fmean(scores) for scores in asked]
    spread = [mean * (1 - mean) / max(1, len(scores) - 1) for mean, scores in zip(means, asked, strict=True)]
    error = math.sqrt(max(0.0, sum(spread))) / len(asked)
    middle = statistics.fmean(means)
    return Uncertainty(error, max(0.0, middle - 1.96 * error), min(1.0, middle + 1.96 * error))


def is_reached(threshold: EvaluationThreshold, score: float, error: float | None) -> bool:
    """Return whether a score, with its standard error if known, reaches the threshold."""
    if score < threshold.success:
        return False
    return threshold.standard_error is None or error is None or error <= threshold.standard_error
