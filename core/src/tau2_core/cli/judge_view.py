"""Printing what is known about the judge of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tau2_core.records.judge_calibration import CountedRate
    from tau2_core.records.judge_trust import CalibrationFigures, JudgeTrust


def rate_text(rate: CountedRate | None) -> str:
    """Return a counted rate with its interval, as percentages."""
    if rate is None or rate.rate is None:
        return "not measured"
    value = rate.rate
    return f"{value.value:.1%} [{value.low:.1%}, {value.high:.1%}] ({rate.count} of {rate.of})"


def calibration_line(found: CalibrationFigures) -> str:
    """Return a judge's calibration in one line."""
    unreadable = f", no usable answer on {found.unreadable}" if found.unreadable else ""
    return (
        f"accuracy {rate_text(found.accuracy)}, false passes {rate_text(found.false_pass)}, "
        f"false fails {rate_text(found.false_fail)}{unreadable}; set {found.set_digest[:12]}"
    )


def trust_lines(found: JudgeTrust) -> list[str]:
    """Return lines about the judge, its calibration, and where several judges disagreed."""
    failed = f", and failed on {found.failed}" if found.failed else ""
    who = " and ".join(found.judges)
    lines = [f"statements judged by {who}: {found.statements}, in {found.judged} episodes{failed}"]
    if found.split_statements is not None:
        lines.append(
            f"the judges disagreed on {found.split_statements} of {found.statements} statements, "
            f"in {found.split_episodes} of {found.judged} episodes"
        )
    if found.calibration is not None:
        lines.append(f"the judge's calibration: {calibration_line(found.calibration)}")
    if found.why:
        lines.append(found.why)
    return lines
