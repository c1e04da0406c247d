"""`tau2-gym calibrate-judge`: how often a judge is right about labelled statements."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tau2_core.cli.judge_view import rate_text
from tau2_core.cli.options import (
    JsonOption,
    JudgeArgsOption,
    JudgeRuleOption,
    NoPluginOption,
    PackOption,
    example,
)
from tau2_core.cli.safe_text import safe, say, say_json

if TYPE_CHECKING:
    from rich.table import Table

    from tau2_core.records.judge_calibration import JudgeCalibration, Part

SHOWN_WRONG = 10


@example("tau2-gym calibrate-judge --help")
def calibrate_judge(
    judge_model: Annotated[
        list[str], typer.Option(metavar="MODEL", help="The judge's model; repeat it for several judges.")
    ],
    judge_args: JudgeArgsOption = None,
    judge_rule: JudgeRuleOption = "majority",
    cases: Annotated[
        list[Path] | None,
        typer.Option(
            "--set", metavar="FILE", help="Labelled cases (.jsonl); may be repeated. Default: the domains' own cases."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the calibration is written.")] = Path(
        "judge-calibration.json"
    ),
    repeats: Annotated[int, typer.Option(min=1, help="How often each question is asked in the same form.")] = 2,
    max_concurrency: Annotated[int, typer.Option(min=1, help="How many questions are asked at a time.")] = 8,
    call_timeout: Annotated[float, typer.Option(help="Seconds for one request to the judge.")] = 120.0,
    attempts: Annotated[int, typer.Option(min=1, help="Attempts per request.")] = 5,
    record: Annotated[Path | None, typer.Option(metavar="FILE", help="Store every exchange with the judge.")] = None,
    replay: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Take the judge's answers from such a file.")
    ] = None,
    json_output: JsonOption = False,
    pack: PackOption = None,
    no_plugin: NoPluginOption = None,
) -> None:
    """Measure a judge on statements that people have labelled: how often it is right, and how it errs.

    Each question is asked --repeats times, and once with its statements in reverse order. Answers are kept in
    FILE.answers.jsonl as they arrive; the same command continues after an interruption. Give the calibration to
    `run`, `grade` or `report` with --judge-calibration.

    Exits with 1 if the judge gave no usable answer at all.
    """
    from tau2_core.adapters.calibration_set import read_calibration_set
    from tau2_core.cli.progress import progress
    from tau2_core.errors import RunError, UsageError
    from tau2_core.llm.cassette import Cassette
    from tau2_core.llm.limits import Patience
    from tau2_core.llm.panel import Panel
    from tau2_core.records.judge_calibration import calibration_text
    from tau2_core.runs.calibration import calibrate, own_calibration_files, questions, refuse_unknown_places
    from tau2_core.runs.calibration_answers import AnswersFile
    from tau2_core.runs.loading import open_catalogue
    from tau2_core.runs.model_clients import closing, open_models
    from tau2_core.runs.options import read_options
    from tau2_core.runtime import event_loop

    if record and replay:
        raise UsageError("give --record or --replay, not both")
    given = {"judge_model": judge_model, "judge_args": judge_args}
    models = read_options(None, {name: value for name, value in given.items() if value is not None}).models()
    catalogue = open_catalogue(pack or (), no_plugin or ())
    found = read_calibration_set(cases or own_calibration_files(catalogue))
    refuse_unknown_places(found, catalogue)
    cassette = None
    if replay or record:
        cassette = Cassette(replay or record or Path(), replaying=replay is not None, resume=True)
    role_models = open_models(models, patience=Patience(call_timeout, attempts=attempts), cassette=cassette)
    panel = Panel.of(role_models, judge_rule)
    assert panel is not None  # --judge-model is required
    answers = AnswersFile(out.with_name(f"{out.name}.answers.jsonl"), panel, found.digest)
    asked = list(questions(found.cases, repeats))
    with progress(f"asking {panel.name}", len(asked), quiet=json_output) as bar:
        bar.begin_at(sum(each.key in answers.known for each in asked))
        work = calibrate(panel, found, answers, repeats=repeats, concurrency=max_concurrency, on_done=bar.advance)
        try:
            calibration = event_loop.run_async(closing(role_models, work))
        except KeyboardInterrupt:
            kept = f"answers are kept in {answers.file}"
            raise RunError(f"interrupted; {kept}. Run the same command again to continue") from None
    out.write_text(calibration_text(calibration), encoding="utf-8")
    if json_output:
        say_json(calibration_text(calibration).rstrip())
    else:
        _show(calibration, out)
    if calibration.unreadable == calibration.cases:
        say(f"error: no answer of {panel.name} could be used: {next(iter(calibration.unreadable_answers))}", err=True)
        raise typer.Exit(1)


def _show(found: JudgeCalibration, out: Path) -> None:
    from tau2_core.cli.tables import console

    screen = console()
    screen.print(f"judge {safe(found.judge)}", soft_wrap=True)
    screen.print(f"{found.cases} cases of {safe(', '.join(found.files))}, set {found.set_digest[:12]}", soft_wrap=True)
    for what, rate in (
        ("accuracy", found.accuracy),
        ("false passes, of statements that do not hold", found.false_pass),
        ("false fails, of statements that hold", found.false_fail),
        (f"agreement with itself, asked {found.repeats} times", found.repeat_agreement),
        ("agreement with itself, statements in reverse", found.order_agreement),
    ):
        screen.print(f"{what}: {rate_text(rate)}", soft_wrap=True)
    if found.unreadable:
        screen.print(f"[yellow]no usable answer[/yellow]: {found.unreadable} cases", soft_wrap=True)
        for why, count in found.unreadable_answers.items():
            screen.print(f"  {count}: {safe(why)}", soft_wrap=True)
    screen.print(_parts("kind", found.kinds))
    screen.print(_parts("domain", found.domains))
    lengths = {f"{each.shortest} to {each.longest}": each for each in found.lengths}
    screen.print(_parts("characters of the transcript", lengths))
    for case in found.wrong[:SHOWN_WRONG]:
        label = "holds" if case.label else "does not hold"
        screen.print(f"wrong: {safe(case.id)} ({case.kind}, {label}): {safe(case.reason)}", soft_wrap=True)
    if len(found.wrong) > SHOWN_WRONG:
        screen.print(f"and {len(found.wrong) - SHOWN_WRONG} more, in {safe(out)}", soft_wrap=True)
    screen.print(f"written to {safe(out)}", soft_wrap=True)


def _parts(title: str, parts: Mapping[str, Part]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(title, overflow="fold")
    for name in ("cases", "right", "95% interval", "no answer"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, part in parts.items():
        rate = part.right.rate
        interval = "–" if rate is None else f"{rate.low:.1%} to {rate.high:.1%}"
        value = "–" if rate is None else f"{rate.value:.1%}"
        table.add_row(safe(name), str(part.right.of), value, interval, str(part.unreadable))
    return table
