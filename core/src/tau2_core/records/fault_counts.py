"""Counts of the faults of simulated customers, added up grade by grade."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tau2_core.model.evaluation import Grade
from tau2_core.records.figures import GradeFigures


@dataclass
class FaultCounts:
    """The findings in the reviewed episodes. `caused` counts, by task, failures that customers caused."""

    reviewed: int = 0
    caused: Counter[str] = field(default_factory=Counter)
    _episodes: Counter[str] = field(default_factory=Counter)
    _detectors: Counter[str] = field(default_factory=Counter)
    _failed: Counter[str] = field(default_factory=Counter)

    def add(self, grade: Grade | GradeFigures) -> None:
        review = grade.user_review
        if review is None:
            return
        self.reviewed += 1
        self._episodes[review.customer_fault] += 1
        self._detectors.update({finding.detector for finding in review.findings})
        self._failed.update(review.errors.keys())
        if review.customer_fault == "decisive" and grade.reward is not None and not grade.solved:
            self.caused[grade.task_id] += 1

    @property
    def minor(self) -> int:
        """The number of episodes with minor faults only."""
        return self._episodes["minor"]

    @property
    def decisive(self) -> int:
        """The number of episodes with a decisive fault, solved or not."""
        return self._episodes["decisive"]

    @property
    def detectors(self) -> dict[str, int]:
        """By detector, in how many episodes it found something."""
        return dict(sorted(self._detectors.items()))

    @property
    def failed_detectors(self) -> dict[str, int]:
        """By detector, in how many episodes it raised."""
        return dict(sorted(self._failed.items()))

    def totals(self) -> dict[str, int]:
        """Return the totals by name, nothing if no episode was reviewed."""
        if not self.reviewed:
            return {}
        return {
            "reviewed": self.reviewed,
            "minor": self.minor,
            "decisive": self.decisive,
            "caused_failures": self.caused.total(),
        }
