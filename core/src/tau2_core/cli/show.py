"""`tau2-gym show`: one episode of a run, or a table of all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tau2_core.cli.options import JsonOption, example
from tau2_core.cli.safe_text import safe, safe_lines, say_json

if TYPE_CHECKING:
    from tau2_core.model.episodes import Slot
    from tau2_core.records.reader import RecordedRun

LONGEST_RESULT = 500  # characters of a tool's result, without --full


@example(
    "tau2-gym run mock --agent silent --name idle", "tau2-gym show runs/idle", "tau2-gym show runs/idle create_plain"
)
def show(
    run: Annotated[
        Path | None, typer.Argument(metavar="RUN", help="A run's folder; default: the newest in runs/.")
    ] = None,
    episode: Annotated[
        str | None, typer.Argument(metavar="TASK[#TRIAL]", help="The episode to show; default: a table of all.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Do not shorten the results of tools.")] = False,
    json_output: JsonOption = False,
) -> None:
    """Show one episode: the conversation, calls next to the gold calls, verdicts and judgements; or list all."""
    from tau2_core.records.reader import latest_run, read_run

    recorded = read_run(run if run is not None else latest_run(Path("runs")))
    if episode is None:
        _show_all(recorded, json_output=json_output)
    else:
        _show_episode(recorded, named_slot(recorded, episode), full=full, json_output=json_output)


def named_slot(run: RecordedRun, text: str) -> Slot:
    """Return the episode that a text names: TASK#TRIAL, or TASK alone for its first recorded trial."""
    from tau2_core.errors import UsageError
    from tau2_core.model.episodes import Slot
    from tau2_core.name_suggestions import did_you_mean

    task_id, mark, trial = text.rpartition("#")
    if text in run.tasks:
        task_id, mark, trial = text, "", ""
    elif not mark or task_id not in run.tasks:
        known = f"{run.folder} has no task {(task_id if mark else text)!r}"
        raise UsageError(f"{known} ({did_you_mean(task_id if mark else text, run.tasks)})")
    slots = [slot for slot in run.slots(task_id) if slot in run.records]
    if not mark:
        if not slots:
            raise UsageError(f"{run.folder}: no trial of task {task_id!r} was finished")
        return slots[0]
    wanted = Slot(task_id, int(trial)) if trial.isascii() and trial.isdigit() else None
    if wanted not in slots:
        listed = ", ".join(str(slot.trial) for slot in slots) or "none"
        raise UsageError(f"{run.folder} has no trial {trial!r} of task {task_id!r} (finished: {listed})")
    return wanted


def _show_all(run: RecordedRun, *, json_output: bool) -> None:
    from tau2_core.cli.tables import console, is_open, show_episodes, show_unsolved
    from tau2_core.runs.execute import FinishedEpisode

    order = {task_id: index for index, task_id in enumerate(run.tasks)}
    slots = sorted(run.grades, key=lambda slot: (slot.trial, order[slot.task_id]))
    if json_output:
        say_json(json.dumps([run.grades[slot].model_dump(mode="json") for slot in slots], indent=2))
        return
    finished = [FinishedEpisode(run.records[slot], run.grades[slot], run.seconds.get(slot, 0.0)) for slot in slots]
    screen = console()
    show_episodes(finished, screen)
    show_unsolved(finished, screen)
    screen.print(f"\n{len(finished)} of {len(run.tasks) * run.trials} episodes of {safe(run.folder)}", soft_wrap=True)
    if slots:
        unsolved = [slot for slot in slots if is_open(run.grades[slot])]
        named = safe((unsolved or slots)[0])
        screen.print(f"one of them: tau2-gym show {safe(run.folder)} '{named}'", soft_wrap=True)


def _show_episode(run: RecordedRun, slot: Slot, *, full: bool, json_output: bool) -> None:
    from tau2_core.cli.episode_view import show_calls, show_conversation, show_judgement, show_verdicts
    from tau2_core.cli.judge_view import calibration_line
    from tau2_core.cli.tables import console, reward_text
    from tau2_core.records.judge_trust import judge_trust

    record, grade, task = run.records[slot], run.grades.get(slot), run.task_models()[slot.task_id]
    judgement = run.judgements.get(slot)
    if json_output:
        content = {
            "task": task.model_dump(mode="json", exclude_none=True),
            "record": record.line(),
            "grade": grade and grade.model_dump(mode="json"),
            "judgement": judgement and judgement.model_dump(mode="json"),
        }
        say_json(json.dumps(content, indent=2))
        return
    screen = console()
    outcome = "not graded" if grade is None else f"reward {reward_text(grade.reward)}, {grade.outcome.value}"
    screen.print(f"[bold]{safe(slot)}[/bold] · {safe(record.domain)} · {outcome} · {safe(run.folder)}", soft_wrap=True)
    agent, user = (run.model(role) or run.config[role]["name"] for role in ("agent", "user"))
    ended = f"ended by {record.termination.value}" + (f": {record.error}" if record.error else "")
    screen.print(f"agent {safe(agent)} · user {safe(user)} · seed {record.seed} · {safe(ended)}", soft_wrap=True)
    if task.description and task.description.purpose:
        screen.print(f"[dim]{safe_lines(task.description.purpose)}[/dim]")
    screen.print("\n[bold]Conversation[/bold]")
    show_conversation(
        record.messages, screen, longest=None if full else LONGEST_RESULT, turns=record.customer_turns or ()
    )
    screen.print("\n[bold]Calls[/bold]")
    show_calls(record, task, screen)
    if grade is not None:
        screen.print(f"\n[bold]Verdicts[/bold] by {safe(grade.evaluators)}")
        show_verdicts(grade, screen)
    if judgement is not None:
        screen.print("\n[bold]Judge[/bold]")
        show_judgement(judgement, screen)
        trust = judge_trust(run)
        if trust is not None and trust.calibration is not None and len(trust.judges) == 1:
            screen.print(f"its calibration: {safe(calibration_line(trust.calibration))}", soft_wrap=True)
