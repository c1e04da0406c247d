"""The faults of simulated customers over a run, and the rate without the failures that they caused."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from tau2_core.records.statistics import CONFIDENCE, Estimate, clustered_rate, paired_difference, sign_flip_test
from tau2_core.records.tally import Tally


class CustomerFaults(BaseModel):
    """The findings of the detectors over a run.

    Attributes:
        reviewed: the episodes that were reviewed.
        minor: episodes with minor faults only.
        decisive: episodes with a decisive fault, solved or not.
        caused_failures: episodes with a decisive fault that have a reward and are not solved.
        rate_without: the rate over slots that have a reward, without `caused_failures`; None if no slot is left.
        coverage_without: the share of all slots that this rate counts.
        detectors: by detector, in how many episodes it found something.
        failed_detectors: by detector, in how many episodes it raised.
    """

    model_config = ConfigDict(extra="forbid")

    reviewed: int
    minor: int
    decisive: int
    caused_failures: int
    rate_without: Estimate | None
    coverage_without: float
    detectors: dict[str, int]
    failed_detectors: dict[str, int]


class WithoutCustomerFaults(BaseModel):
    """The difference of two runs over the tasks in which no customer caused a failure in either of them.

    `coverage` is the share of these tasks among all that are compared.
    """

    model_config = ConfigDict(extra="forbid")

    difference: Estimate
    p_value: float
    tasks: int
    coverage: float


def customer_faults(tally: Tally, *, confidence: float = CONFIDENCE) -> CustomerFaults | None:
    """Return the figures of a run or of a part of it, None if no episode was reviewed."""
    counts = tally.faults
    if not counts.reviewed:
        return None
    sizes = [size - counts.caused[task] for task, size in tally.evaluable.items()]
    return CustomerFaults(
        reviewed=counts.reviewed,
        minor=counts.minor,
        decisive=counts.decisive,
        caused_failures=counts.caused.total(),
        rate_without=clustered_rate(list(tally.solved.values()), sizes, confidence=confidence),
        coverage_without=sum(sizes) / tally.slots,
        detectors=counts.detectors,
        failed_detectors=counts.failed_detectors,
    )


def difference_without_faults(before: Tally, after: Tally, alpha: float) -> WithoutCustomerFaults | None:
    """Return the difference without tasks in which a customer caused a failure; None if no task or all do."""
    caused = {**before.faults.caused, **after.faults.caused}
    kept = [task for task in before.tasks if task not in caused]
    if not caused or not kept:
        return None
    solved_before, solved_after = before.solved, after.solved
    changes = [solved_after[task] - solved_before[task] for task in kept]
    return WithoutCustomerFaults(
        difference=paired_difference(changes, before.trials, confidence=1 - alpha),
        p_value=sign_flip_test(changes),
        tasks=len(kept),
        coverage=len(kept) / len(before.tasks),
    )
