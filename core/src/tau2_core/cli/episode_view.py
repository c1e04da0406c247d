"""One episode in the terminal: the conversation, calls next to the gold calls, verdicts and judgements."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from tau2_core.cli.safe_text import safe, safe_lines
from tau2_core.cli.tables import reward_text
from tau2_core.evaluators.action import all_calls, matches
from tau2_core.model.llm import is_cut_off
from tau2_core.records.customer_turns import turn_lines
from tau2_core.records.reasons import explained
from tau2_core.records.verdict_text import remark, verdict_sign

if TYPE_CHECKING:
    from tau2_core.model.customer_turns import CustomerTurn
    from tau2_core.model.episodes import EpisodeRecord
    from tau2_core.model.evaluation import Grade, Judgement
    from tau2_core.model.messages import Message, ToolCall
    from tau2_core.model.tasks import Task

SIDES = {"assistant": "agent", "user": "customer", "system": "system"}
COLOURS = {"agent": "cyan", "customer": "magenta", "system": "dim"}


def show_conversation(
    messages: Sequence[Message], screen: Console, *, longest: int | None = None, turns: Sequence[CustomerTurn] = ()
) -> None:
    """Print messages and calls in order; results are cut to `longest` characters, or not at all if it is None.

    `turns` says how the customer's messages came about.
    """
    turn_of = {turn.message: turn for turn in turns}
    for index, message in enumerate(messages):
        if message.role == "tool":
            content = message.content or ""
            shown = content if longest is None or len(content) <= longest else f"{content[:longest]}…"
            sign = "[red]✗[/red]" if message.error else "→"
            screen.print(Padding(f"{sign} [dim]{safe_lines(shown)}[/dim]", (0, 0, 0, 4)))
            continue
        side = SIDES[message.role]
        if message.content and message.content.strip():
            screen.print(f"[{COLOURS[side]}]{side}[/]: {safe_lines(message.content.strip())}")
        for call in getattr(message, "tool_calls", None) or []:
            screen.print(f"[{COLOURS[side]}]{side}[/] calls {_call(call)}")
        if is_cut_off(getattr(message, "finish_reason", None)):
            screen.print(Padding("[yellow]cut off by the token limit[/yellow]", (0, 0, 0, 4)))
        if index in turn_of:
            for line in turn_lines(turn_of[index]):
                screen.print(Padding(f"[dim]{safe_lines(line)}[/dim]", (0, 0, 0, 4)))


def show_calls(record: EpisodeRecord, task: Task, screen: Console, *, signs: bool = True) -> None:
    """Print the gold calls next to the actual ones, matching calls in one row, in the gold's order.

    `signs`: whether a sign tells what matches.
    """
    made = all_calls(record.messages)
    left = list(made)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("", no_wrap=True)
    table.add_column("gold call", overflow="fold", ratio=1)
    table.add_column("call made", overflow="fold", ratio=1)
    for action in task.gold():
        same = next((call for call in left if matches(action, call)), None)
        near = same or next((call for call in left if call.name == action.name), None)
        if near is not None:
            left.remove(near)
        sign = "" if not signs else "[green]✓[/green]" if same is not None else "[red]✗[/red]"
        table.add_row(sign, safe(action.text()), _call(near) if near is not None else "[dim]none[/dim]")
    for call in left:
        table.add_row("", "", _call(call))
    if table.row_count:
        screen.print(table)
    else:
        screen.print("[dim]no calls, neither gold nor actual[/dim]")


def show_verdicts(grade: Grade, screen: Console) -> None:
    """Print every verdict with its checks; differences are shown with both values."""
    for criterion, verdict in grade.verdicts.items():
        text = remark(criterion, verdict, grade.basis)
        beside = f" [dim]({text})[/dim]" if text else ""
        reward = "" if verdict.reward is None else f" {reward_text(verdict.reward)}"
        screen.print(f"{verdict_sign(verdict)} [bold]{safe(criterion)}[/bold]{reward}{beside}")
        for check in verdict.checks:
            sign = "[green]✓[/green]" if check.met else "[yellow]?[/yellow]" if check.met is None else "[red]✗[/red]"
            screen.print(Padding(f"{sign} {safe(check.what if check.met else explained(check))}", (0, 0, 0, 2)))
    if grade.note:
        screen.print(f"note: {safe(grade.note)}")
    if grade.user_review:
        for finding in grade.user_review.findings:
            words = f": {safe(' '.join(finding.words.split()))}" if finding.words else ""
            screen.print(f"customer, {finding.severity} fault [bold]{safe(finding.detector)}[/bold]{words}")
            screen.print(Padding(f"message {finding.message}: {safe(finding.why)}", (0, 0, 0, 2)))
        for name, why in grade.user_review.errors.items():
            screen.print(f"[yellow]detector {safe(name)} failed[/yellow]: {safe(why)}")
    if grade.pending:
        screen.print(f"awaits a judge: {safe(', '.join(grade.pending))}")


def show_judgement(judgement: Judgement, screen: Console) -> None:
    """Print a judge's decision on each statement, with its reason."""
    screen.print(f"judge {safe(judgement.model)}" + (f" failed: {safe(judgement.error)}" if judgement.error else ""))
    for statement in judgement.statements:
        sign = "[green]✓[/green]" if statement.met else "[red]✗[/red]"
        screen.print(Padding(f"{sign} {safe(statement.statement)}: {safe(statement.reason)}", (0, 0, 0, 2)))


def _call(call: ToolCall) -> str:
    arguments = ", ".join(
        f"{key}={json.dumps(value, ensure_ascii=False, default=str)}" for key, value in call.arguments.items()
    )
    return safe(f"{call.name}({arguments})")
