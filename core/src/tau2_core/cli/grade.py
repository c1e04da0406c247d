"""`tau2-gym grade`: grading runs and recorded conversations, and comparing with what was recorded."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tau2_core.cli.options import (
    DatasetOption,
    ExecutorOption,
    ExecutorOptionOption,
    JsonOption,
    JudgeArgsOption,
    JudgeCalibrationOption,
    JudgeRuleOption,
    NoPluginOption,
    PackOption,
    PackTau2Option,
    WorkersOption,
    all_packs,
    example,
)
from tau2_core.cli.safe_text import safe, say, say_json

if TYPE_CHECKING:
    from tau2_core.runs.regrade import Regraded


@example(
    "tau2-gym run mock --name again",
    "tau2-gym grade runs/again --evaluators strict",
    "tau2-gym export runs/again again.json",
    "tau2-gym grade again.json --compare",
)
def grade(
    path: Annotated[
        list[Path],
        typer.Argument(
            help="Run folders, transcripts (.jsonl, .jsonl.gz), or official result files (.json, .json.gz) or folders "
            "of them."
        ),
    ],
    dataset: DatasetOption = None,
    evaluators: Annotated[
        str | None,
        typer.Option(metavar="SET|FILE", help="The evaluators; default: those that graded the run, or tau2."),
    ] = None,
    judge_model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL",
            help="For a run: judge assertions that are not judged, or by another model; repeat it for several judges.",
        ),
    ] = None,
    judge_args: JudgeArgsOption = None,
    judge_rule: JudgeRuleOption = "majority",
    judge_calibration: JudgeCalibrationOption = None,
    reviewer_model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="For a run: let a model review the customers, beside the reward."),
    ] = None,
    reviewer_args: Annotated[str | None, typer.Option(metavar="JSON", help="Arguments of the reviewing model.")] = None,
    record: Annotated[Path | None, typer.Option(metavar="FILE", help="Store every exchange with the judge.")] = None,
    replay: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Take the judge's answers from such a file.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="How many episodes are judged at a time.")] = 8,
    call_timeout: Annotated[float, typer.Option(help="Seconds for one request to the judge.")] = 120.0,
    attempts: Annotated[int, typer.Option(min=1, help="Attempts per request.")] = 5,
    compare: Annotated[
        bool, typer.Option("--compare", help="Report disagreements with recorded verdicts; exit with 1 if any.")
    ] = False,
    fresh_tasks: Annotated[
        bool, typer.Option("--fresh-tasks", help="Grade by the dataset's tasks, not by those in the file.")
    ] = False,
    domain: Annotated[str | None, typer.Option(help="The files' domain; overrides the one that they name.")] = None,
    task: Annotated[
        str | None, typer.Option(metavar="ID", help="For transcripts: the task of lines that name none.")
    ] = None,
    solo: Annotated[
        bool, typer.Option("--solo", help="For transcripts: the agent was alone, without a customer.")
    ] = False,
    executor: ExecutorOption = None,
    workers: WorkersOption = None,
    executor_option: ExecutorOptionOption = None,
    json_output: JsonOption = False,
    pack: PackOption = None,
    pack_tau2: PackTau2Option = None,
    no_plugin: NoPluginOption = None,
) -> None:
    """Grade recorded conversations: transcripts, result files, or runs, whose grades are replaced.

    A transcript is a file of JSON lines, each with the `messages` of one conversation as chat completions have them.
    Its calls are made again in a fresh world, and results that differ are named.

    Exits with 1 if a file or line cannot be read, the judge fails, an evaluator crashes, or (--compare) a verdict or
    a transcript's tool result differs. Nothing is played. Files are graded by a process for each processor unless
    --executor async is given, runs by this one unless another executor is.
    """
    from tau2_core.cli.evaluator_crashes import show_crashes
    from tau2_core.cli.grade_run import Grading, JudgeOptions, grade_runs
    from tau2_core.cli.progress import progress
    from tau2_core.errors import UsageError
    from tau2_core.evaluators.guard import crashes
    from tau2_core.records.reader import is_run
    from tau2_core.runs.executors.launching import chosen_executor, wanted_executor
    from tau2_core.runs.loading import open_catalogue
    from tau2_core.runs.regrade import Regrading, regrade
    from tau2_core.runtime.event_loop import run_async

    judges = (judge_model, judge_args, judge_rule, judge_calibration)
    reviewer = (reviewer_model, reviewer_args)
    judged = JudgeOptions(*judges, reviewer, record, replay, concurrency, call_timeout, attempts)
    if any(map(is_run, path)):
        for_files = {"--compare": compare, "--fresh-tasks": fresh_tasks, "--domain": domain}
        _refuse(path, {**for_files, "--task": task, "--solo": solo})
        catalogue = open_catalogue(all_packs(pack, pack_tau2), no_plugin or ())
        chosen = wanted_executor(catalogue, executor, workers, executor_option)
        by = Grading(catalogue, chosen, all_packs(pack, pack_tau2), no_plugin or ())
        grade_runs(path, evaluators, judged, dataset, by, json_output=json_output)
        return
    if judged.given:
        raise UsageError(f"{judged.given[0]} is for runs, and {path[0]} is not one (it has no run.json)")
    packs, blocked = tuple(all_packs(pack, pack_tau2)), tuple(no_plugin or ())
    chosen_tasks = (dataset, fresh_tasks, domain, task, solo)
    how = Regrading(evaluators or "tau2", *chosen_tasks, packs, blocked, keep_grades=json_output)
    catalogue = open_catalogue(how.packs, how.blocked)
    chosen = chosen_executor(catalogue, executor or "processes", workers, executor_option or ())
    with progress("grading", None, quiet=json_output) as bar:
        result = run_async(regrade(path, how, chosen, lambda _number: bar.advance()))
    if json_output:
        say_json(json.dumps(_as_json(result, compare=compare), indent=2))
    else:
        _show(result, compare=compare)
    crashed = show_crashes(crashes(result.crashed))
    if crashed or result.problems or (compare and (result.agreement.disagreed or result.differences)):
        raise typer.Exit(1)


def _refuse(path: list[Path], given: dict[str, object]) -> None:
    from tau2_core.errors import UsageError
    from tau2_core.records.reader import is_run

    for folder in path:
        if not is_run(folder):
            raise UsageError(f"{folder} is not a run (it has no run.json); grade runs and result files separately")
    for option, value in given.items():
        if value:
            raise UsageError(f"{option} is for files, and {path[0]} is a run")


def _show(result: Regraded, *, compare: bool) -> None:
    for problem in result.problems:
        say(f"error: {problem}", err=True)
    if result.kept:
        say(
            f"{result.kept} conversations were graded by their file's task, since the domain has no such task", err=True
        )
    for difference in result.differences:
        say(f"{'error' if compare else 'note'}: {difference}", err=True)
    for line in result.agreement.misplaced_lines():
        say(f"{'error' if compare else 'note'}: {line}", err=True)
    if compare:
        for disagreement in result.agreement.disagreements:
            say(str(disagreement))
    else:
        _show_files(result)
    mean = result.mean_reward
    counts = ", ".join(f"{name} {count}" for name, count in sorted(result.outcomes.items()))
    if mean is not None:
        say(f"mean reward {mean:.4f}: {counts}")
    say(result.agreement.closing_line() if compare else f"conversations {result.conversations}")


def _show_files(result: Regraded) -> None:
    from tau2_core.cli.tables import console, folding_table

    table = folding_table(["file"], ())
    for title in ("conversations", "solved", "mean reward"):
        table.add_column(title, justify="right", no_wrap=True)
    for file, found in result.files.items():
        table.add_row(safe(file), str(found.conversations), str(found.solved), f"{found.mean_reward:.4f}")
    if result.files:
        console().print(table)


def _as_json(result: Regraded, *, compare: bool) -> dict[str, object]:
    content: dict[str, object] = {
        "conversations": result.conversations,
        "mean_reward": result.mean_reward,
        "outcomes": dict(result.outcomes),
        "problems": result.problems,
        "differences": [each.as_json() for each in result.differences],
        "grades": [
            {"file": each.file, "conversation": each.conversation, **each.grade.model_dump(mode="json")}
            for each in result.grades
        ],
    }
    if compare:
        agreement = result.agreement
        content["agreement"] = {
            "agreed": agreement.agreed,
            "disagreed": agreement.disagreed,
            "pending": agreement.pending,
            "disagreements": [each.as_json() for each in agreement.disagreements],
            "misplaced": {file: asdict(each) for file, each in agreement.misplaced.items()},
        }
    return content
