"""Results as tables, for people."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tau2_core.evaluators.grade import reasons

if TYPE_CHECKING:
    from tau2_core.model.evaluation import Verdict
    from tau2_core.model.runs import RunSummary
    from tau2_core.runs.execute import Finished, RunResult

PIPED_WIDTH = 140
SHORT = {
    "DB": "DB",
    "ENV_ASSERTION": "env",
    "ACTION": "action",
    "COMMUNICATE": "said",
    "NL_ASSERTION": "NL",
    "OUTCOME": "outcome",
    "COLLATERAL": "damage",
    "POLICY": "policy",
    "REPLAY": "replay",
}


class _Screen(Console):
    def on_broken_pipe(self) -> None:
        """Let the command end as whoever prints without rich does, instead of ending the process here."""
        raise BrokenPipeError(errno.EPIPE, "the reader left")


def console() -> Console:
    """Return where tables go. `COLUMNS` decides the width, else the terminal; 140 where there is neither."""
    plain_width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPED_WIDTH
    return _Screen(width=plain_width)


def show_run(result: RunResult) -> None:
    """Print one row an episode, why episodes were not solved, and the figures of the run."""
    screen = console()
    criteria = [name for name in SHORT if any(name in item.grade.verdicts for item in result.finished)]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("task", "trial", "reward", *(SHORT[name] for name in criteria), "calls", "errors", "ms"):
        table.add_column(title, justify="left" if title == "task" else "right", no_wrap=True)
    order = {task.id: index for index, task in enumerate(result.tasks)}
    for item in sorted(result.finished, key=lambda item: (item.record.trial, order[item.record.task_id])):
        table.add_row(*_row(item, criteria))
    screen.print(table)
    unsolved = [item for item in result.finished if item.grade.outcome.value != "solved"]
    if unsolved:
        screen.print("\n[bold]Not solved[/bold]")
        for item in unsolved:
            why = "; ".join(reasons(item.grade)[:3]) or f"pending: {', '.join(item.grade.pending)}"
            screen.print(f"  {escape(str(item.record.slot))}: {escape(why)}", soft_wrap=True)
    show_summary(result.summary, screen)


def _row(item: Finished, criteria: list[str]) -> list[str]:
    record, grade = item.record, item.grade
    reward = "–" if grade.reward is None else f"{grade.reward:.1f}"
    colour = "green" if grade.outcome.value == "solved" else "yellow" if grade.pending else "red"
    marks = [_mark(grade.verdicts.get(name), name in grade.basis) for name in criteria]
    return [
        escape(record.task_id),
        str(record.trial),
        f"[{colour}]{reward}{'*' if grade.pending else ''}[/]",
        *marks,
        str(record.tool_calls),
        str(sum(record.tool_errors.values())),
        f"{item.seconds * 1000:.1f}",
    ]


def _mark(verdict: Verdict | None, counts: bool) -> str:
    """A verdict in one sign; dimmed where the criterion is not in the task's reward basis."""
    if verdict is None:
        return ""
    if verdict.status.value == "vacuous":
        sign = "·"
    elif verdict.reward is None:
        sign = "…" if verdict.status.value == "pending" else "!"
    else:
        sign = "✓" if verdict.met else "✗"
    return sign if counts else f"[dim]{sign}[/dim]"


def show_summary(summary: RunSummary, screen: Console) -> None:
    """Print the figures of a run."""
    mean = "–" if summary.mean_reward is None else f"{summary.mean_reward:.4f}"
    played = (
        f"{summary.finished} of {summary.slots} episodes"
        if summary.finished < summary.slots
        else f"{summary.slots} episodes"
    )
    outcomes = ", ".join(f"{name} {count}" for name, count in sorted(summary.outcomes.items()))
    screen.print(
        f"\n[bold]{escape(summary.domain)}[/bold] · agent {escape(summary.agent)} · user {escape(summary.user)} · "
        f"evaluators {escape(summary.evaluators)}"
        + (f" · dataset {escape(summary.dataset)}" if summary.dataset else ""),
        soft_wrap=True,
    )
    screen.print(
        f"{played} · mean reward [bold]{mean}[/bold] · {outcomes} · coverage {summary.coverage:.0%}", soft_wrap=True
    )
    if len(summary.pass_hat_k) > 1:
        screen.print(" · ".join(f"pass^{k} {value:.4f}" for k, value in summary.pass_hat_k.items()))
    if summary.pending:
        screen.print("* counts what is graded; pending criteria await a judge")
    rate = summary.finished / summary.duration_seconds if summary.duration_seconds else 0
    screen.print(
        f"{summary.tool_calls} tool calls, {summary.tool_errors} failed · {summary.duration_seconds:.2f} s "
        f"({rate:.0f} episodes/s) · {escape(summary.folder)}",
        soft_wrap=True,
    )
