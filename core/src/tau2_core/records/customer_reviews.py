"""The lines of `reviews.jsonl`: a model's review of the simulated customer of each slot."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from tau2_core.model.episodes import Slot
from tau2_core.model.evaluation import Grade
from tau2_core.model.user_review import ModelReview, UserReview, worst_fault
from tau2_core.records.counts import RoleUsage, UsageCounts
from tau2_core.records.journal import REVIEWS, Journal

NOT_REVIEWED = "model"  # the name in a review's errors


def read_reviews(folder: Path) -> dict[Slot, ModelReview]:
    """Return the last review of each slot in a run folder. Raises RunError for a damaged line."""
    if not os.path.lexists(folder / REVIEWS):
        return {}
    journal = Journal(folder, resume=True)
    found: dict[Slot, ModelReview] = {}
    for number, line in enumerate(journal.lines(REVIEWS), 1):
        review = journal.content(REVIEWS, number, ModelReview, line)
        found[Slot(review.task_id, review.trial)] = review
    return found


def with_review(grade: Grade, review: ModelReview) -> Grade:
    """Return a grade whose review of the customer includes the model's findings, or why there is no review."""
    own = grade.user_review or UserReview(customer_fault="none")
    findings = sorted([*own.findings, *review.findings], key=lambda each: each.message)
    errors = own.errors | ({NOT_REVIEWED: f"not reviewed: {review.error}"} if review.error else {})
    merged = UserReview(customer_fault=worst_fault(findings), findings=findings, errors=errors)
    return grade.model_copy(update={"user_review": merged})


def review_usage(reviews: Iterable[ModelReview]) -> dict[str, RoleUsage]:
    """Return the usage of the reviewing model by its role, nothing without reviews."""
    counts = UsageCounts()
    for review in reviews:
        counts.add(review.usage)
    return {"reviewer": counts.summed_up(counts.known)} if counts.known else {}
