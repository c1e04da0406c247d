"""`tau2-gym demo`: a few episodes as an introduction, without model, key or network."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tau2_core.cli.options import example
from tau2_core.cli.safe_text import safe, safe_lines

if TYPE_CHECKING:
    from tau2_core.episode.setting import Setting
    from tau2_core.model.episodes import Slot
    from tau2_core.plugins.catalogue import Catalogue
    from tau2_core.records.reader import RecordedRun

LONGEST_RESULT = 160  # characters
COMMAND = "tau2-gym"
IDLE, INFORMED = "silent", "oracle"


@example("tau2-gym demo airline")
def demo(domain: Annotated[str, typer.Argument(help="The domain to show.")] = "airline") -> None:
    """Show a conversation with its verdict, an explained failure, and the scores of two extreme agents."""
    import tempfile

    from tau2_core.runs.loading import load_setting, open_catalogue

    catalogue = open_catalogue((), ())
    setting = load_setting(catalogue, domain)
    with tempfile.TemporaryDirectory() as place:
        informed = _played(setting, catalogue, INFORMED, Path(place))
        idle = _played(setting, catalogue, IDLE, Path(place))
        _show(domain, setting, informed, idle)


def _show(domain: str, setting: Setting, informed: RecordedRun, idle: RecordedRun) -> None:
    from tau2_core.cli.episode_view import show_calls, show_conversation, show_verdicts
    from tau2_core.cli.tables import console, reward_text
    from tau2_core.records.reasons import reasons

    screen = console()
    tasks = setting.tasks()
    candidates = _telling(informed, idle)
    if candidates:
        chosen = min(candidates, key=lambda slot: sum(len(m.content or "") for m in informed.records[slot].messages))
        task = tasks[chosen.task_id]
        wish = task.user_scenario.instructions
        screen.rule(f"[bold]1. A conversation[/bold]: task {safe(chosen.task_id)} of {safe(domain)}", align="left")
        if not isinstance(wish, str):
            screen.print(f"The customer's request: {safe_lines(wish.reason_for_call)}\n")
        show_conversation(informed.records[chosen].messages, screen, longest=LONGEST_RESULT)
        screen.print(f"\nreward {reward_text(informed.grades[chosen].reward)}")
        show_verdicts(informed.grades[chosen], screen)
        screen.print()
        screen.rule("[bold]2. A failure[/bold]: the same task, by an agent that does nothing", align="left")
        show_calls(idle.records[chosen], task, screen)
        screen.print(f"\nreward {reward_text(idle.grades[chosen].reward)}, because")
        for why in reasons(idle.grades[chosen]):
            screen.print(f"  {safe(why)}")
        screen.print()
    screen.rule(f"[bold]3. Scores[/bold]: all {len(informed.tasks)} tasks of {safe(domain)}", align="left")
    means = [run.tally_of_grades(run.tasks, run.trials).mean_reward for run in (idle, informed)]
    screen.print(f"{means[0]:.4f}  agent {IDLE}: does nothing")
    screen.print(f"{means[1]:.4f}  agent {INFORMED}: reads the gold (the right calls), which no real agent may")
    screen.print("Both need no model. An agent of yours should land between them.\n")
    screen.rule("[bold]4. Go on[/bold]", align="left")
    for arguments in (
        f"run {domain} --agent always-transfer --num-tasks 5 --name first",
        "show runs/first",
        f"run {domain} --agent-model MODEL --user-model MODEL   (needs the model's key)",
    ):
        screen.print(f"  {safe(_command())} {safe(arguments)}", soft_wrap=True)


def _command() -> str:
    """Return the command as the user can type it; it may not be on the PATH, as with `make run`."""
    called = sys.argv[0]
    return called if Path(called).name == COMMAND and shutil.which(COMMAND) is None else COMMAND


def _telling(informed: RecordedRun, idle: RecordedRun) -> list[Slot]:
    """Return the episodes that an agent fails by doing nothing, preferably those with changes to the database."""
    found = [
        slot
        for slot, grade in idle.grades.items()
        if not grade.solved and slot in informed.grades and informed.grades[slot].solved
    ]
    changed = [
        slot
        for slot in found
        for checks in [[check for verdict in idle.grades[slot].verdicts.values() for check in verdict.checks]]
        if any("path" in item for check in checks for item in check.evidence)
    ]
    return changed or found


def _played(setting: Setting, catalogue: Catalogue, agent: str, place: Path) -> RecordedRun:
    from tau2_core.episode.limits import Limits
    from tau2_core.episode.participants import Participants
    from tau2_core.records.reader import read_run
    from tau2_core.runs.evaluator_sets import choose_evaluators
    from tau2_core.runs.execute import execute
    from tau2_core.runs.plan import DEFAULT_SEED, Plan
    from tau2_core.runtime import event_loop

    graded_by = choose_evaluators(catalogue, None, setting)
    participants = Participants(catalogue.agent(agent), catalogue.user("scripted"), Limits())
    plan = Plan(setting, participants, setting.select(), 1, DEFAULT_SEED, None, graded_by.name, evaluator_set=graded_by)
    event_loop.run_async(execute(plan, catalogue, place / agent))
    return read_run(place / agent)
