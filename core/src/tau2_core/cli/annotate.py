"""`tau2-gym annotate`: label the episodes of a run, and report how far the labels agree with its verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tau2_core.cli.options import JsonOption, example
from tau2_core.cli.safe_text import safe, say, say_json

if TYPE_CHECKING:
    from tau2_core.model.episodes import Slot
    from tau2_core.records.labels import About, LabelFile
    from tau2_core.records.reader import RecordedRun


@example("tau2-gym run mock --agent random --name labelled", "tau2-gym annotate runs/labelled --agreement")
def annotate(
    run: Annotated[
        Path | None, typer.Argument(metavar="RUN", help="A run's folder; default: the newest in runs/.")
    ] = None,
    episode: Annotated[
        str | None, typer.Argument(metavar="TASK[#TRIAL]", help="Only this episode; default: all in turn.")
    ] = None,
    annotator: Annotated[
        str | None, typer.Option(metavar="NAME", help="Your name, kept with each label; may be left out.")
    ] = None,
    dated: Annotated[bool, typer.Option("--dated", help="Keep the time of each label too.")] = False,
    about: Annotated[
        Literal["criterion", "assertion", "customer_fault"] | None,
        typer.Option(help="Ask only about this: criteria, assertions, or the customer."),
    ] = None,
    show_verdicts: Annotated[
        bool, typer.Option("--show-verdicts", help="Show what was decided; labels then depend on it.")
    ] = False,
    agreement: Annotated[
        bool, typer.Option("--agreement", help="Do not ask; show how far labels and verdicts agree.")
    ] = False,
    export: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Do not ask; write labelled assertions as a calibration set (.jsonl)."),
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Label verdicts and the customer's faults with single keys; or report agreement, or export a calibration set.

    Labels are appended to labels.jsonl in the run's folder one by one, so you can stop at any time and go on later.
    Verdicts are hidden while you label.
    """
    from tau2_core.records.labels import ABOUTS, LabelFile
    from tau2_core.records.reader import latest_run, read_run

    recorded = read_run(run if run is not None else latest_run(Path("runs")))
    labels = LabelFile(recorded.folder)
    _refuse_contradictions(agreement=agreement, export=export, json_output=json_output)
    if export is not None:
        _export(recorded, labels, annotator, export)
    elif agreement:
        _report(recorded, labels, json_output=json_output)
    else:
        _ask(
            recorded, labels, episode, annotator, [about] if about else ABOUTS, dated=dated, show_verdicts=show_verdicts
        )


def _refuse_contradictions(*, agreement: bool, export: Path | None, json_output: bool) -> None:
    from tau2_core.errors import UsageError

    if agreement and export is not None:
        raise UsageError("give --agreement or --export, not both")
    if json_output and not agreement:
        raise UsageError("--json is for --agreement")


def _ask(
    run: RecordedRun,
    labels: LabelFile,
    episode: str | None,
    annotator: str | None,
    about: Sequence[About],
    *,
    dated: bool,
    show_verdicts: bool,
) -> None:
    from tau2_core.cli.annotation import Annotation, AnnotationOptions, graded_slots
    from tau2_core.cli.single_keys import single_keys
    from tau2_core.cli.tables import console
    from tau2_core.errors import RunError, UsageError

    if annotator is not None and not annotator.strip():
        raise UsageError("--annotator is empty; give a name, or leave the option out")
    slots = list(graded_slots(run)) if episode is None else [_graded(run, episode)]
    if not slots:
        raise RunError(f"{run.folder} has no graded episode; `tau2-gym grade {run.folder}` grades it")
    how = AnnotationOptions(annotator, dated, about, show_verdicts)
    session = Annotation(run, labels, how, console(), slots)
    if not session.open:
        say(f"all {session.total} questions have a label in {labels.file}")
        return
    with single_keys("annotate") as read_key:
        try:
            session.ask_all(read_key)
        except KeyboardInterrupt:
            say("")
    left = f"{session.open} of {session.total} questions are open" if session.open else "no question is open"
    say(f"{session.stored} labels stored in {labels.file}; {left}")
    if session.open:
        say("the same command continues")


def _graded(run: RecordedRun, text: str) -> Slot:
    from tau2_core.cli.show import named_slot
    from tau2_core.errors import RunError

    slot = named_slot(run, text)
    if slot not in run.grades:
        raise RunError(f"{slot} is not graded; `tau2-gym grade {run.folder}` grades it")
    return slot


def _report(run: RecordedRun, labels: LabelFile, *, json_output: bool) -> None:
    from tau2_core.cli.annotation_report import show_agreement
    from tau2_core.records.label_agreement import label_report

    report = label_report(run, labels)
    if json_output:
        say_json(report.model_dump_json(indent=2))
    else:
        show_agreement(report, safe(run.folder))


def _export(run: RecordedRun, labels: LabelFile, annotator: str | None, out: Path) -> None:
    from tau2_core.runs.calibration_cases import calibration_cases
    from tau2_core.runs.export import write_lines

    cases = calibration_cases(run, labels, annotator)
    written = write_lines(out, cases.cases)
    say(f"{written} labelled assertions written to {out}")
    for why, number in sorted(cases.left_out.items()):
        say(f"{number} left out: {why}", err=True)
