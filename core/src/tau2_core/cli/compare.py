"""`tau2-gym compare`: two runs of the same tasks, paired by task, and a gate for CI."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tau2_core.cli.judge_view import trust_lines
from tau2_core.cli.options import JsonOption, example
from tau2_core.cli.safe_text import safe, say_json

if TYPE_CHECKING:
    from tau2_core.records.compare import ComparedRun, Comparison
    from tau2_core.records.customer_faults import CustomerFaults

SHOWN_TASKS = 10
SHOWN_ABOVE = ("agent.name", "models.agent.model")  # in the two lines at the top
COLOURS = {"better": "green", "not worse": "green", "worse": "red", "inconclusive": "yellow"}


@example(
    "tau2-gym run mock --agent silent --name main",
    "tau2-gym run mock --agent oracle --name branch",
    "tau2-gym compare runs/main runs/branch --margin 0.05",
)
def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="The folder of the run to compare with.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The folder of the run to be judged.")],
    alpha: Annotated[float, typer.Option(help="The significance level: the accepted rate of false alarms.")] = 0.05,
    margin: Annotated[
        float | None, typer.Option(metavar="X", help="The largest loss of rate that counts as not worse.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Accept a difference between the runs; may be repeated.")
    ] = None,
    conclusive: Annotated[
        bool, typer.Option("--conclusive", help="Exit with 1 for an inconclusive result too.")
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Tell whether run B is better or worse than run A. Exits with 1 if worse, 2 if they cannot be compared."""
    from tau2_core.records.compare import Gate, compare_runs
    from tau2_core.records.judge_trust import judge_trust
    from tau2_core.records.reader import read_run

    runs = read_run(a), read_run(b)
    comparison = compare_runs(*runs, alpha=alpha, margin=margin, ignore=ignore or ())
    comparison.a.judge, comparison.b.judge = map(judge_trust, runs)
    if json_output:
        say_json(comparison.model_dump_json(indent=2))
    else:
        _show(comparison)
    if comparison.gate is Gate.WORSE or (conclusive and comparison.gate is Gate.INCONCLUSIVE):
        raise typer.Exit(1)


def _show(found: Comparison) -> None:
    from rich.table import Table

    from tau2_core.cli.charts import interval_chart
    from tau2_core.cli.tables import console
    from tau2_core.records.compare import Gate

    screen = console()
    for letter, side in (("A", found.a), ("B", found.b)):
        who = f"{side.agent} ({side.model})" if side.model else side.agent
        screen.print(f"[bold]{letter}[/bold]  {safe(side.name)} · agent {safe(who)}{_gaps(side)}", soft_wrap=True)
    for each in found.ignored:
        screen.print(f"accepted: {safe(str(each))}", highlight=False, soft_wrap=True)
    for each in found.differs:
        if each.name not in SHOWN_ABOVE:
            screen.print(f"differs: {safe(str(each))}", highlight=False, soft_wrap=True)
    screen.print(f"\n{found.tasks} tasks × {found.trials} trials; strict rates, {1 - found.alpha:.0%} intervals")
    reach = max(abs(found.difference.low), abs(found.difference.high), found.margin or 0.0)
    scale = next(step for step in (0.1, 0.25, 0.5, 1.0) if reach <= step)
    for line in (
        *interval_chart([("A     ", found.a.strict_rate), ("B     ", found.b.strict_rate)], screen.width),
        *interval_chart([("B − A", found.difference)], screen.width - 1, low=-scale, high=scale),
    ):
        screen.print(line, markup=False, highlight=False, soft_wrap=True)
    for letter, side in (("A", found.a), ("B", found.b)):
        if side.customer and side.customer.caused_failures:
            screen.print(_customer(letter, side.customer), highlight=False, soft_wrap=True)
    for letter, side in (("A", found.a), ("B", found.b)):
        for line in trust_lines(side.judge) if side.judge else ():
            screen.print(f"{letter}: {safe(line)}", highlight=False, soft_wrap=True)
    without = found.without_customer_faults
    if without:
        screen.print(
            f"B − A without the tasks in which a customer caused a failure: {without.difference.value:+.4f} "
            f"({without.difference.low:+.3f} to {without.difference.high:+.3f}, p = {without.p_value:.4f}), "
            f"{without.coverage:.0%} of the tasks",
            highlight=False,
            soft_wrap=True,
        )
    if found.changed:
        shown = found.changed[:SHOWN_TASKS]
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("\ntask", overflow="fold")
        for title in ("A", "B", "B − A"):
            table.add_column(f"\n{title}", justify="right", no_wrap=True)
        for task in shown:
            table.add_row(safe(task.task_id), f"{task.a:.2f}", f"{task.b:.2f}", f"{task.difference:+.2f}")
        screen.print(table)
        if len(found.changed) > len(shown):
            screen.print(f"and {len(found.changed) - len(shown)} more tasks; --json lists all")
    gate = found.gate.value
    word = gate if found.gate is Gate.INCONCLUSIVE else f"B is {gate}"
    margin = "" if found.margin is None else f", margin {found.margin:g}"
    p_value = f"p = {found.p_value:.4f}" if found.p_value >= 0.0001 else "p < 0.0001"
    screen.print(
        f"\n[bold {COLOURS[gate]}]{word}[/]: {found.difference.value:+.4f}, {p_value} "
        f"(sign-flip test, alpha {found.alpha:g}{margin})",
        highlight=False,
        soft_wrap=True,
    )


def _customer(letter: str, found: CustomerFaults) -> str:
    rate = "no other slots" if found.rate_without is None else f"{found.rate_without.value:.3f} without them"
    return (
        f"{letter}: the customer caused {found.caused_failures} failures; the rate is {rate}, "
        f"of {found.coverage_without:.0%} of the slots"
    )


def _gaps(side: ComparedRun) -> str:
    return "" if side.coverage == 1 else f" · coverage {side.coverage:.0%}: slots without a reward count as failed"
