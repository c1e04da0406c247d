"""How often the intervals about a judge contain the true value: scripted judges with known error rates.

Each judge is calibrated once, through an HTTP endpoint, on our own set. Then counts are drawn 1,000 times: for a
calibration of the same size, and for a run whose tasks are drawn from a population with a known mean. The table shows
how many intervals contain the true value: of the error rates, of the corrected mean, and of the uncorrected mean.
"""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from random import Random

from rich.table import Table
from tau2_core.adapters.calibration_set import CalibrationSet, read_calibration_set
from tau2_core.llm.judge import transcript
from tau2_core.llm.limits import Patience
from tau2_core.llm.panel import Panel
from tau2_core.model.llm import ModelSettings
from tau2_core.records.judge_calibration import CountedRate, JudgeCalibration
from tau2_core.records.judge_correction import JudgedReward, corrected_mean
from tau2_core.records.statistics import Estimate, clustered_rate, exact_rate
from tau2_core.runs.calibration import calibrate, own_calibration_files
from tau2_core.runs.calibration_answers import AnswersFile
from tau2_core.runs.loading import open_catalogue
from tau2_core.runs.model_clients import closing, open_models
from tau2_core.testing.scripted_endpoint import Answer, Asked, ScriptedEndpoint, say

RATES = (0.0, 0.05, 0.2)
REPETITIONS = 1000
TASKS, TRIALS = 50, 2
MOST_STATEMENTS = 3
HOLDS_ANYWAY = 0.5  # the chance that a statement about an unsolved episode holds


@dataclass(frozen=True)
class Erring:
    """A judge that decides by the labels, and errs on each statement at a rate."""

    labels: dict[tuple[str, str], bool]
    rate: float
    random: Random

    def __call__(self, asked: Asked) -> Answer:
        question = str(asked.messages[1]["content"])
        shown = question.partition("<transcript>\n")[2].partition("\n</transcript>")[0]
        statements = re.findall(r"^\d+\. (.+)$", question.rpartition("Statements:")[2], re.MULTILINE)
        verdicts = [
            {"number": number, "reason": "", "met": self.labels[shown, each] is not (self.random.random() < self.rate)}
            for number, each in enumerate(statements, 1)
        ]
        return say(json.dumps({"verdicts": verdicts}))


def judge_table() -> Table:
    """Return the table of all error rates."""
    title = f"judges: the share of {REPETITIONS:,} 95% intervals that contain the true value"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in ("error rate", "measured", "interval", "error rates", "corrected mean", "mean as judged"):
        table.add_column(name, justify="right")
    cases = read_calibration_set(own_calibration_files(open_catalogue()))
    labels = {(transcript(case.conversation), case.assertion): case.label for case in cases.cases}
    for rate in RATES:
        found = _calibrated(cases, Erring(labels, rate, Random(f"judge {rate}")))
        random = Random(f"repetitions {rate}")
        holding, others = found.false_fail.of, found.false_pass.of
        error_rates = sum(_contains(_measured(rate, len(cases.cases), random).rate, rate) for _ in range(REPETITIONS))
        corrected = judged = 0
        for _ in range(REPETITIONS):
            of_run = _run(rate, holding, others, random)
            corrected += _contains(of_run[0], 0.5)
            judged += _contains(of_run[1], 0.5)
        wrong = exact_rate(found.accuracy.of - found.accuracy.count, found.accuracy.of)
        assert wrong is not None
        shares = (f"{count / REPETITIONS:.1%}" for count in (error_rates, corrected, judged))
        within = "" if _contains(wrong, rate) else " (does not contain it)"
        table.add_row(f"{rate:.0%}", f"{wrong.value:.1%}", f"{wrong.low:.1%} to {wrong.high:.1%}{within}", *shares)
    return table


def _calibrated(cases: CalibrationSet, judge: Erring) -> JudgeCalibration:
    with ScriptedEndpoint(judge, keep=False) as endpoint, tempfile.TemporaryDirectory() as folder:
        settings = ModelSettings(model="endpoint/judge", args={"api_base": endpoint.url})
        models = open_models({"judge": settings}, patience=Patience())
        panel = Panel.of(models)
        assert panel is not None
        answers = AnswersFile(Path(folder) / "answers.jsonl", panel, cases.digest)
        work = calibrate(panel, cases, answers, repeats=1, concurrency=1)
        return asyncio.run(closing(models, work))


def _measured(rate: float, size: int, random: Random) -> CountedRate:
    count = sum(random.random() < rate for _ in range(size))
    return CountedRate(count=count, of=size, rate=exact_rate(count, size))


def _run(rate: float, holding: int, others: int, random: Random) -> tuple[Estimate | None, Estimate | None]:
    """Draw a run of tasks with uniform chances, whose mean is 0.5; return the corrected and the uncorrected mean."""
    rewards: list[JudgedReward] = []
    passed = [0] * TASKS
    for task in range(TASKS):
        chance, number = random.random(), random.randint(1, MOST_STATEMENTS)
        for _ in range(TRIALS):
            held = [True] * number
            if random.random() >= chance:
                while all(held):
                    held = [random.random() < HOLDS_ANYWAY for _ in range(number)]
            met = sum(each is not (random.random() < rate) for each in held)
            rewards.append(JudgedReward(task, 0.0, 1.0, met, number - met))
            passed[task] += met == number
    error_rates = _measured(rate, others, random), _measured(rate, holding, random)
    return corrected_mean(rewards, TASKS, TRIALS, *error_rates), clustered_rate(passed, [TRIALS] * TASKS)


def _contains(estimate: Estimate | None, truth: float) -> bool:
    return estimate is not None and estimate.low <= truth <= estimate.high
