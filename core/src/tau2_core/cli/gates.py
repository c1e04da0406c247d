"""Limits on a result besides its mean reward: on the simulated customer, and on the judge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tau2_core.cli.safe_text import say


def passes_gates(
    customer_faults: Mapping[str, Any],
    judge: Mapping[str, Any],
    *,
    min_judge_accuracy: float | None,
    max_customer_faults: float | None,
    name: str = "",
) -> bool:
    """Tell whether a run keeps the given limits, and print those that it does not keep. A missing figure fails.

    Args:
        customer_faults: how many episodes were `reviewed`, and how many have a `decisive` fault; {} if none was.
        judge: the figures of the judge with its `calibration`, {} if nothing was judged.
        min_judge_accuracy: the least accuracy of the judge, 0 to 1.
        max_customer_faults: the largest share of reviewed episodes with a decisive fault, 0 to 1.
        name: the run, if there may be several.
    """
    failed = []
    if max_customer_faults is not None:
        reviewed = customer_faults.get("reviewed", 0)
        if not reviewed:
            failed.append("--max-customer-faults: no episode's customer was reviewed, so the share is not known")
        elif customer_faults["decisive"] / reviewed > max_customer_faults:
            share = f"{customer_faults['decisive']} of {reviewed} episodes have a decisive fault of the customer"
            failed.append(f"--max-customer-faults: {share}, more than {max_customer_faults:g}")
    if min_judge_accuracy is not None:
        calibration = judge.get("calibration")
        rate = calibration and calibration["accuracy"]["rate"]
        if not rate:
            why = judge.get("why") or "nothing was judged"
            failed.append(f"--min-judge-accuracy: the judge's accuracy is not known: {why}")
        elif rate["value"] < min_judge_accuracy:
            failed.append(
                f"--min-judge-accuracy: the judge's accuracy is {rate['value']:.4f}, less than {min_judge_accuracy:g}"
            )
    for line in failed:
        say(f"error: {name}{': ' if name else ''}{line}", err=True)
    return not failed
