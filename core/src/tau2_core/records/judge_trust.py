"""How far a run's result depends on its judge: who decided, where judges disagreed, and the judge's calibration."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

from pydantic import BaseModel, ConfigDict

from tau2_core.errors import UsageError
from tau2_core.model.episodes import Slot
from tau2_core.model.evaluation import Status
from tau2_core.model.judges import JudgeIdentity
from tau2_core.records.figures import GradeFigures, JudgementFigures
from tau2_core.records.judge_calibration import CountedRate, JudgeCalibration, read_calibration
from tau2_core.records.judge_correction import JudgedReward, corrected_mean
from tau2_core.records.reader import RecordedRun
from tau2_core.records.statistics import Estimate

JUDGE_CALIBRATION = "judge_calibration.json"
CRITERION = "NL_ASSERTION"


class CalibrationFigures(BaseModel):
    """The figures of the calibration of the judge of a run."""

    model_config = ConfigDict(extra="forbid")

    judge: str
    set_digest: str
    cases: int
    unreadable: int
    accuracy: CountedRate
    false_pass: CountedRate
    false_fail: CountedRate
    order_agreement: CountedRate | None
    repeat_agreement: CountedRate | None


class JudgeTrust(BaseModel):
    """The judge of a run, its calibration, and the corrected mean reward.

    Attributes:
        judges: who judged: the models' names, with the rule of several.
        judged: the episodes that were judged.
        failed: the episodes for which the judge gave no usable answer.
        statements: the statements that were decided.
        split_statements: those about which several judges disagreed; None if one judge decided alone.
        split_episodes: the episodes with such a statement; None if one judge decided alone.
        calibration: the judge's calibration; None if there is none, or only that of another judge.
        why: why there is no calibration, or no corrected mean; "" otherwise.
        mean_reward: the mean reward corrected for the judge's errors, with an interval that holds its uncertainty.
    """

    model_config = ConfigDict(extra="forbid")

    judges: list[str]
    judged: int
    failed: int
    statements: int
    split_statements: int | None = None
    split_episodes: int | None = None
    calibration: CalibrationFigures | None = None
    why: str = ""
    mean_reward: Estimate | None = None


def judge_trust(run: RecordedRun, calibration: JudgeCalibration | None = None) -> JudgeTrust | None:
    """Return what is known about the judge of a run, None if nothing was judged.

    `calibration` is used instead of the one in the run's folder. Raises UsageError if it is of another judge.
    """
    judgements = {each.slot: each for each in run.judgements.figures(JudgementFigures)}
    if not judgements:
        return None
    decided = [each for each in judgements.values() if not each.error]
    found = JudgeTrust(
        judges=sorted({each.model for each in judgements.values()}),
        judged=len(decided),
        failed=len(judgements) - len(decided),
        statements=sum(len(each.statements) for each in decided),
    )
    voted = [each.split() for each in decided if each.votes]
    if voted:
        found.split_statements, found.split_episodes = sum(voted), sum(split > 0 for split in voted)
    given = calibration
    if calibration is None and os.path.lexists(run.folder / JUDGE_CALIBRATION):
        calibration = read_calibration(run.folder / JUDGE_CALIBRATION)
    if calibration is None:
        found.why = "the judge is not calibrated: measure it with calibrate-judge, and give --judge-calibration"
    elif any(each.judge != calibration.judge.digest for each in decided):
        found.why = f"the calibration is of another judge: {calibration.judge}"
        if given is not None:
            raise UsageError(f"--judge-calibration: {run.folder} was judged by {found.judges[0]}, but {found.why}")
    else:
        _calibrated(found, run, calibration, judgements)
    return found


def refuse_other_judge(calibration: JudgeCalibration, judge: JudgeIdentity | None) -> None:
    """Refuse a calibration that is not of the judge that will be asked. Raises UsageError."""
    if judge is None:
        raise UsageError("--judge-calibration is about the judge: give --judge-model too")
    if calibration.judge.digest != judge.digest:
        raise UsageError(
            f"--judge-calibration is of another judge ({calibration.judge}) than this one ({judge}); calibrate this one"
        )


def judge_figures(run: RecordedRun) -> dict[str, Any]:
    """Return `judge_trust` as JSON for a run's summary, nothing if nothing was judged."""
    found = judge_trust(run)
    return {} if found is None else found.model_dump(mode="json")


def _calibrated(
    found: JudgeTrust, run: RecordedRun, calibration: JudgeCalibration, judgements: Mapping[Slot, JudgementFigures]
) -> None:
    wanted = CalibrationFigures.model_fields.keys() - {"judge"}
    found.calibration = CalibrationFigures(
        judge=str(calibration.judge), **{name: getattr(calibration, name) for name in wanted}
    )
    if "@" in run.evaluators:
        found.why = f"{run.evaluators} combines criteria by its own rule, for which the mean cannot be corrected"
        return
    rewards = list(_rewards(run, judgements))
    rates = calibration.false_pass, calibration.false_fail
    found.mean_reward = corrected_mean(rewards, len(run.tasks), run.trials, *rates)
    if found.mean_reward is None:
        found.why = "by its calibration the judge is no better than chance, so the mean is not corrected"


def _rewards(run: RecordedRun, judgements: Mapping[Slot, JudgementFigures]) -> Iterator[JudgedReward]:
    """Yield the reward of each graded slot: the product of its criteria, of which the judge decides one."""
    places = {task: place for place, task in enumerate(run.tasks)}
    for grade in run.grades.figures(GradeFigures):
        task = places[grade.task_id]
        verdict = grade.verdicts.get(CRITERION) if CRITERION in grade.basis else None
        judged = judgements.get(grade.slot)
        if grade.reward is None:
            continue
        if verdict is None or verdict.status is not Status.GRADED or judged is None:
            yield JudgedReward(task, grade.reward)
            continue
        others = [each.reward for name, each in grade.verdicts.items() if name in grade.basis and name != CRITERION]
        met = sum(each.met for each in judged.statements)
        gain = prod(1.0 if reward is None else reward for reward in others)
        yield JudgedReward(task, 0.0, gain, met, len(judged.statements) - met)
