"""The figures of an experiment: a score, its interval, pass^k, the threshold (spec/evaluation_test.md, 4)."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from textwrap import shorten
from typing import Any

from tau2_core.model.evaluation import Outcome, reaches
from tau2_core.records.statistics import Estimate, clustered_rate
from tau2_core.records.tally import pass_hat_k

from tau2_gym_eval_protocol.experiment import ROWS, Experiment
from tau2_gym_eval_protocol.rows import Code, EvaluationRow, RowStatus
from tau2_gym_eval_protocol.thresholds import Uncertainty, aggregate, is_reached, uncertainty

WORST = 3
LONGEST_REASON = 300
EVALUATION = "evaluation.json"


def counted(row: EvaluationRow) -> float | None:
    """Return the score that counts: 0 if an error prevented one, so that errors cannot raise a rate; None if left out.

    A row is left out if the test itself declares its score invalid without naming an error.
    """
    result = row.evaluation_result
    if result is None or result.is_score_valid:
        return None if result is None else result.score
    return 0.0 if row.rollout_status.is_error or result.error else None


def is_solved(row: EvaluationRow) -> bool:
    """Return whether a row is solved: by its grade's outcome, or by a full score if the test has set the score."""
    score = counted(row)
    if score is None:
        return False
    assert row.evaluation_result is not None
    graded = row.evaluation_result.trajectory_info or {}
    if "outcome" in graded and graded.get("reward") == score:  # the score is still the one from grading
        return graded["outcome"] in [outcome for outcome in Outcome if outcome.counts_as_solved]
    return reaches(score)


@dataclass(frozen=True)
class ExperimentFigures:
    """The figures of a finished experiment."""

    experiment: Experiment

    @cached_property
    def rows(self) -> list[EvaluationRow]:
        return [row for rows in self.experiment.runs for row in rows]

    @cached_property
    def by_row_id(self) -> dict[str, list[float]]:
        """The scores that count, by row."""
        found: dict[str, list[float]] = {name: [] for name in self.experiment.row_ids}
        for row in self.rows:
            score = counted(row)
            if score is not None:
                found[row.row_id].append(score)
        return {name: scores for name, scores in found.items() if scores}

    @cached_property
    def score(self) -> float:
        scores = [[counted(row) for row in rows] for rows in self.experiment.runs]
        runs = [[score for score in run if score is not None] for run in scores]
        return aggregate(self.experiment.test.aggregation_method, runs)

    @cached_property
    def official(self) -> Uncertainty | None:
        """The standard error and interval by eval-protocol's formula, which exist only for the mean."""
        return uncertainty(list(self.by_row_id.values())) if self.experiment.test.aggregation_method == "mean" else None

    @cached_property
    def interval(self) -> Estimate | None:
        """The interval of the mean, clustered by row; None for another aggregation or scores outside 0 to 1."""
        scores = self.by_row_id.values()
        if self.experiment.test.aggregation_method != "mean" or any(not 0 <= x <= 1 for each in scores for x in each):
            return None
        return clustered_rate([sum(each) for each in scores], [len(each) for each in scores])

    @cached_property
    def pass_hat_k(self) -> dict[int, float]:
        """pass^k over all rows and runs; a rollout without a score is not a success."""
        solved = dict.fromkeys(self.experiment.row_ids, 0)
        for row in self.rows:
            solved[row.row_id] += is_solved(row)
        return pass_hat_k(list(solved.values()), self.experiment.test.num_runs)

    @property
    def errors(self) -> int:
        """The number of scores that are 0 because of an error."""
        return sum(counted(row) is not None and row.score is None for row in self.rows)

    @property
    def passed(self) -> bool:
        """Whether the threshold is reached; True without one."""
        threshold = self.experiment.test.threshold
        error = self.official.standard_error if self.official else None
        return threshold is None or is_reached(threshold, self.score, error)

    def problem(self) -> str | None:
        """Return a message that names the rows without a result; None if there are none."""
        without = sorted({row.row_id for row in self.rows if row.evaluation_result is None})
        if without:
            return f"no evaluation_result in {', '.join(without[:WORST])}: the test must set row.evaluation_result"
        return None

    def failure(self) -> str:
        """Return a message about a missed threshold: rate, interval, runs, the worst rows, and the run's folder."""
        experiment, threshold = self.experiment, self.experiment.test.threshold
        assert threshold is not None
        if self.score < threshold.success:
            why = f"is below the threshold of {threshold.success:g}"
        else:
            error = self.official.standard_error if self.official else 0.0
            why = f"has a standard error of {error:.4f}, above {threshold.standard_error:g}"
        rate = f"rate {self.score:.4f}{shown(self.interval)}"
        runs = experiment.test.num_runs
        lines = [
            f"{experiment.suite}: {experiment.model}: {rate} {why}",
            f"{_count(len(experiment.row_ids), 'row')} × {_count(runs, 'run')}: "
            f"{self._solved()} of {len(self.rows)} solved"
            + (f", {self.errors} without a score because of errors, which count as 0" if self.errors else ""),
            "worst:",
            *(f"  {line}" for line in self._worst()),
            f"record: {experiment.folder}",
        ]
        return "\n".join(lines)

    def _solved(self) -> int:
        return sum(is_solved(row) for row in self.rows)

    def _worst(self) -> Iterable[str]:
        ranked = sorted(self.by_row_id, key=lambda name: statistics.fmean(self.by_row_id[name]))
        for name in ranked[:WORST]:
            scores = self.by_row_id[name]
            reasons = (
                (row.evaluation_result and row.evaluation_result.reason) or ""
                for row in self.rows
                if row.row_id == name and not is_solved(row)
            )
            why = shorten(next(iter(reasons), ""), LONGEST_REASON, placeholder=" …")
            yield f"{name} {statistics.fmean(scores):.2f} in {_count(len(scores), 'run')}" + (f": {why}" if why else "")

    def summary(self) -> dict[str, Any]:
        """Return the figures of eval-protocol's summary, and ours: pass^k, interval, folder."""
        experiment, official = self.experiment, self.official
        content: dict[str, Any] = {
            "suite": experiment.suite,
            "model": experiment.model,
            "agg_score": self.score,
            "num_runs": experiment.test.num_runs,
            "rows": len(experiment.row_ids),
            "metrics_agg": self._metrics(),
            "timestamp": datetime.now(UTC).isoformat(),
            "interval": [self.interval.low, self.interval.high] if self.interval else None,
            "pass_hat_k": {str(k): value for k, value in self.pass_hat_k.items()},
            "solved": self._solved(),
            "errors": self.errors,
            "threshold": experiment.test.threshold.success if experiment.test.threshold else None,
            "passed": self.passed,
            "folder": str(experiment.folder),
        }
        if official is not None:
            content |= {"agg_ci_low": official.low, "agg_ci_high": official.high}
            content["standard_error"] = official.standard_error
        return content

    def _metrics(self) -> dict[str, Any]:
        values: dict[str, list[float]] = {}
        for row in self.rows:
            for name, metric in (row.evaluation_result.metrics if row.evaluation_result else {}).items():
                if metric.is_score_valid:
                    values.setdefault(name, []).append(metric.score)
        found = {}
        for name, each in values.items():
            mean = statistics.fmean(each)
            half = 1.96 * statistics.stdev(each) / len(each) ** 0.5 if len(each) > 1 else 0.0
            found[name] = {"mean": mean, "ci_low": mean - half, "ci_high": mean + half}
        return found

    def keep(self) -> dict[str, Any]:
        """Write the figures into the rows and the run folder, and return them."""
        for row in self.rows:
            about, result = row.eval_metadata, row.evaluation_result
            if about is not None:
                about.passed = self.passed
                if row.score is None and result is not None and not result.error:
                    about.status = RowStatus(code=Code.SCORE_INVALID, message="The score is not valid")
            if result is not None:
                result.agg_score = self.score if result.agg_score is None else result.agg_score
                error = self.official.standard_error if self.official else None
                result.standard_error = error if result.standard_error is None else result.standard_error
        self.experiment.journal.rewrite(ROWS, map(self.experiment.line, self.rows))
        content: dict[str, Any] = self.experiment.redactor.errors(self.summary())
        self.experiment.journal.write(EVALUATION, content)
        return content


def shown(interval: Estimate | None) -> str:
    """Return an interval in words, or "" if there is none."""
    return f" (95 % interval {interval.low:.4f} to {interval.high:.4f})" if interval else ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
