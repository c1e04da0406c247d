"""`tau2-gym study`: one agent over a grid of conditions, and how its rate depends on them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tau2_core.cli.options import (
    ExecutorOption,
    ExecutorOptionOption,
    JsonOption,
    NoPluginOption,
    PackOption,
    WorkersOption,
    example,
    given,
)
from tau2_core.cli.safe_text import safe, say, say_json

if TYPE_CHECKING:
    from tau2_core.api.study.cells import Grid
    from tau2_core.api.study.report import StudyReport
    from tau2_core.records.statistics import Estimate

PASSED_ON = ("executor", "workers", "executor_option", "concurrency", "pack", "no_plugin")


@example(
    "echo '{run: {domain: mock, agent: random, num_tasks: 4}, factors: {seed: [1, 2], max_steps: [20, 200]}}' > s.yaml",
    "tau2-gym study s.yaml",
)
def study(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE|STUDY", help="The study's YAML file; or its folder, to report again.")
    ],
    name: Annotated[str | None, typer.Option(help="The study's folder; default: the file's name.")] = None,
    out: Annotated[Path | None, typer.Option(help="The folder for studies; default: runs.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the study of this name.")] = False,
    executor: ExecutorOption = None,
    workers: WorkersOption = None,
    executor_option: ExecutorOptionOption = None,
    concurrency: Annotated[int | None, typer.Option(help="Episodes at a time.")] = None,
    json_output: JsonOption = False,
    pack: PackOption = None,
    no_plugin: NoPluginOption = None,
) -> None:
    """Play one agent over a grid of customers, prompts, personas, judges or seeds; show what its rate depends on.

    The file has the options that all runs share (`run`), and the levels of each option that are combined (`factors`).
    """
    from tau2_core.api.study.report import study_report

    passed_on = {key: value for key, value in given(ctx).items() if key in PASSED_ON}
    if file.is_dir():
        _refuse_for_a_folder(ctx)
        report = study_report(file)
    else:
        grid = _grid(file, name, out, passed_on)
        _play(grid, resume=resume, quiet=json_output)
        report = study_report(grid.folder)
    if json_output:
        say_json(report.model_dump_json(indent=2))
    else:
        _show(report)


def _refuse_for_a_folder(ctx: typer.Context) -> None:
    from tau2_core.errors import UsageError

    for key in given(ctx):
        if key not in ("file", "json_output"):
            raise UsageError(f"--{key.replace('_', '-')} is for playing a study; a folder is only reported")


def _grid(file: Path, name: str | None, out: Path | None, passed_on: dict[str, Any]) -> Grid:
    from tau2_core.api.study.cells import grid_of
    from tau2_core.api.study.declaration import read_study, with_levels
    from tau2_core.errors import UsageError
    from tau2_core.records.run_names import refused_name

    declared, levels = read_study(file)
    called = name or declared.name or file.stem
    if refused_name(called):
        raise UsageError(f"--name {called!r} {refused_name(called)}")
    shared = with_levels(declared.run, passed_on)
    return grid_of(shared, levels, called, out or shared.out)


def _play(grid: Grid, *, resume: bool, quiet: bool) -> None:
    from tau2_core.api.study.cells import check_cells
    from tau2_core.api.study.playing import begin, play
    from tau2_core.api.study.variance import require_statistics
    from tau2_core.cli.progress import progress
    from tau2_core.errors import RunError

    require_statistics()
    episodes = check_cells(grid)
    begin(grid, resume=resume)
    if not quiet:
        say(f"{len(grid.cells)} runs of {episodes} episodes in {grid.folder}", err=True)
    with progress(f"study {grid.name}", episodes * len(grid.cells), quiet=quiet) as bar:

        def begun(finished: int) -> None:
            for _ in range(finished):
                bar.advance()

        try:
            stopped = play(grid, on_begun=begun, on_graded=bar.advance)
        except KeyboardInterrupt:
            stopped = "interrupted"
    if stopped:
        raise RunError(f"{stopped}; finished episodes are kept in {grid.folder}. Continue with --resume")


def _show(report: StudyReport) -> None:
    from tau2_core.cli.charts import interval_chart, shown
    from tau2_core.cli.tables import console, folding_table

    screen = console()
    screen.print(
        f"[bold]{safe(report.name)}[/bold] · {safe(report.domain)} · agent {safe(report.agent)}", soft_wrap=True
    )
    screen.print(
        f"{len(report.runs)} runs of {report.tasks} tasks × {report.trials} trials = {report.episodes} episodes · "
        f"solved {safe(shown(report.rate))}",
        soft_wrap=True,
    )
    table = folding_table(["what differs"], ())
    for title in ("levels", "spread", "share of\nvariance", f"beyond chance\n[{report.confidence:.0%} interval]"):
        table.add_column(safe(title) if "\n" not in title else title.replace("[", r"\["), justify="right", no_wrap=True)
    for name, factor in report.factors.items():
        counts = (str(len(factor.levels)), f"{factor.spread:.3f}", f"{factor.share:.1%}")
        table.add_row(safe(name), *counts, safe(_percent(factor.beyond_chance)))
    for pair in report.pairs:
        table.add_row(safe(" × ".join(pair.factors)), "", "", f"{pair.share:.1%}", safe(_percent(pair.beyond_chance)))
    table.add_row("tasks", "", "", f"{report.tasks_share:.1%}", "")
    for name, share in report.tasks_and_factors.items():
        table.add_row(f"tasks × {safe(name)}", "", "", f"{share:.1%}", "")
    table.add_row("rest: trials and more", "", "", f"{report.rest:.1%}", "")
    screen.print(table)
    rows: list[tuple[str, Estimate | None]] = []
    for name, factor in report.factors.items():
        rows += [(f"{name} = {level}", rate) for level, rate in factor.levels.items()]
    screen.print(
        f"\n[bold]solved, by level[/bold], {report.confidence:.0%} intervals clustered by task", highlight=False
    )
    for line in interval_chart(rows, screen.width):
        screen.print(line, markup=False, highlight=False, soft_wrap=True)


def _percent(estimate: Estimate | None) -> str:
    if estimate is None:
        return "–"
    return f"{estimate.value:.1%} [{estimate.low:.1%}, {estimate.high:.1%}]"
