"""`tau2-gym grade` for run folders: finished episodes are graded again, and judged if a judgement is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tau2_core.cli.safe_text import say, say_json

if TYPE_CHECKING:
    from tau2_core.model.judges import JudgeRule
    from tau2_core.plugins.catalogue import Catalogue
    from tau2_core.runs.executors.launching import ChosenExecutor
    from tau2_core.runs.grading import GradedRun


@dataclass(frozen=True)
class JudgeOptions:
    """The options of the judge."""

    models: list[str] | None
    args: list[str] | None
    rule: JudgeRule
    calibration: Path | None
    reviewer: tuple[str | None, str | None]
    record: Path | None
    replay: Path | None
    concurrency: int
    call_timeout: float
    attempts: int

    @property
    def given(self) -> list[str]:
        """The names of the options that were given."""
        named: dict[str, object] = {
            "--judge-model": self.models,
            "--judge-args": self.args,
            "--judge-calibration": self.calibration,
            "--reviewer-model": self.reviewer[0],
            "--reviewer-args": self.reviewer[1],
            "--record": self.record,
            "--replay": self.replay,
        }
        return [name for name, value in named.items() if value is not None]


@dataclass(frozen=True)
class Grading:
    """How runs are graded: by an executor, whose workers open the same catalogue from packs and blocked names."""

    catalogue: Catalogue
    executor: ChosenExecutor
    packs: Sequence[Path]
    blocked: Sequence[str]


def grade_runs(
    folders: Sequence[Path],
    evaluators: str | None,
    judged: JudgeOptions,
    dataset: Path | None,
    by: Grading,
    *,
    json_output: bool,
) -> None:
    """Grade run folders, one after the other. Exits with 1 if the judge failed, or an evaluator crashed."""
    from tau2_core.cli.evaluator_crashes import show_crashes
    from tau2_core.cli.progress import progress
    from tau2_core.errors import RunError, UsageError
    from tau2_core.llm.cassette import Cassette
    from tau2_core.llm.limits import Patience
    from tau2_core.llm.panel import Panel
    from tau2_core.records.judge_calibration import read_calibration
    from tau2_core.runs.grading import grade_run, models_for
    from tau2_core.runs.model_clients import closing, open_models
    from tau2_core.runs.options import read_options, reviewing_model
    from tau2_core.runtime import event_loop

    if judged.record and judged.replay:
        raise UsageError("give --record or --replay, not both")
    given = {"judge_model": judged.models, "judge_args": judged.args}
    models = read_options(None, {name: value for name, value in given.items() if value is not None}).models()
    models |= reviewing_model(*judged.reviewer)
    if not models and (judged.record or judged.replay):
        raise UsageError("--record and --replay are for models: give --judge-model too")
    calibration = None if judged.calibration is None else read_calibration(judged.calibration)
    cassette = None
    if judged.replay or judged.record:
        cassette = Cassette(judged.replay or judged.record or Path(), replaying=judged.replay is not None, resume=True)
    patience = Patience(judged.call_timeout, attempts=judged.attempts)
    failed = 0
    crashed = False
    for folder in folders:
        asked = models_for(folder, by.catalogue, models, dataset)
        lines = open_models(asked, patience=patience, cassette=cassette)  # shared objects belong to one event loop
        panel = Panel.of(lines, judged.rule)
        with progress(f"grading {folder.name}", None, quiet=json_output) as bar:
            work = grade_run(
                folder,
                by.catalogue,
                packs=by.packs,
                blocked=by.blocked,
                executor=by.executor,
                evaluators=evaluators,
                judge=panel,
                calibration=calibration,
                reviewer=lines.get("reviewer"),
                dataset=dataset,
                concurrency=judged.concurrency,
                on_done=bar.advance,
            )
            try:
                graded = event_loop.run_async(closing(lines, work))
            except KeyboardInterrupt:
                kept = f"judgements are kept in {folder}; its grades are unchanged"
                raise RunError(f"interrupted; {kept}. Grade it again to continue") from None
        failed += graded.unjudged
        if "reviewer" in lines:
            _show_reviews(graded, lines["reviewer"].settings.model)
        _show(graded, None if panel is None else panel.name, json_output=json_output)
        crashed = show_crashes(graded.result.crashes(), graded.result.summary.folder) or crashed
    if crashed or (failed and models):
        raise typer.Exit(1)


def _show_reviews(graded: GradedRun, model: str) -> None:
    say(f"{model} was asked to review {graded.reviews_asked} customers", err=True)
    if graded.unreviewed:
        again = "run the command again to ask only about these"
        say(f"not reviewed, for lack of a usable answer: {graded.unreviewed} customers; {again}", err=True)


def _show(graded: GradedRun, judge: str | None, *, json_output: bool) -> None:
    from tau2_core.cli.tables import show_run

    summary = graded.result.summary
    if json_output:
        say_json(summary.model_dump_json(indent=2))
    else:
        show_run(graded.result)
        if judge is not None:
            say(f"{judge} judged {graded.asked - graded.unjudged} of the {graded.asked} episodes asked about")
    if graded.unjudged:
        again = "run the command again to judge only these" if judge else "judge them with --judge-model MODEL"
        say(f"the judge failed on {graded.unjudged} episodes of {summary.folder}: {again}", err=True)
    elif summary.pending and judge is None:
        say(f"{summary.pending} episodes await a judge: judge them with --judge-model MODEL", err=True)
