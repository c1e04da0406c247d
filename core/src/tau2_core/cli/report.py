"""`tau2-gym report`: the figures of finished runs, with confidence intervals."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tau2_core.cli.judge_view import trust_lines
from tau2_core.cli.options import (
    JsonOption,
    JudgeCalibrationOption,
    MaxCustomerFaultsOption,
    MinJudgeAccuracyOption,
    example,
)
from tau2_core.cli.safe_text import safe, say_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from tau2_core.records.customer_faults import CustomerFaults
    from tau2_core.records.customer_turns import CustomerTurns
    from tau2_core.records.report import Report


@example("tau2-gym run mock --trials 3 --name first", "tau2-gym report runs/first")
def report(
    run: Annotated[list[Path] | None, typer.Argument(help="Run folders; default: the newest in runs/.")] = None,
    judge_calibration: JudgeCalibrationOption = None,
    min_judge_accuracy: MinJudgeAccuracyOption = None,
    max_customer_faults: MaxCustomerFaultsOption = None,
    json_output: JsonOption = False,
) -> None:
    """Show rates with confidence intervals, criteria, errors by cause, cost and length of runs.

    --judge-calibration is used instead of the calibration that a run's folder holds, and is not stored. Exits with 1
    if a run does not keep --min-judge-accuracy or --max-customer-faults.
    """
    from tau2_core.cli.gates import passes_gates
    from tau2_core.records.gates import refuse_gates
    from tau2_core.records.judge_calibration import read_calibration
    from tau2_core.records.reader import latest_run, read_run
    from tau2_core.records.report import build_report

    refuse_gates(min_judge_accuracy, max_customer_faults)
    calibration = None if judge_calibration is None else read_calibration(judge_calibration)
    reports = [build_report(read_run(folder), calibration) for folder in run or [latest_run(Path("runs"))]]
    if json_output:
        say_json(json.dumps([each.model_dump(mode="json") for each in reports], indent=2, ensure_ascii=False))
    else:
        _show_all(reports)
    kept = [
        passes_gates(
            each.customer.model_dump() if each.customer else {},
            each.judge.model_dump(mode="json") if each.judge else {},
            min_judge_accuracy=min_judge_accuracy,
            max_customer_faults=max_customer_faults,
            name=each.name,
        )
        for each in reports
    ]
    if not all(kept):
        raise typer.Exit(1)


def _show_all(reports: list[Report]) -> None:
    from tau2_core.cli.tables import console

    screen = console()
    for number, each in enumerate(reports):
        if number:
            screen.print()
        _show(each, screen)
    if len(reports) > 1:
        _show_overview(reports, screen)


def _show(each: Report, screen: Console) -> None:

    from tau2_core.cli.charts import interval_chart
    from tau2_core.cli.tables import SHOWN_K
    from tau2_core.records.verdict_text import NOT_IN_REWARD

    people = [_with_model(each, role, name) for role, name in (("agent", each.agent), ("user", each.user))]
    head = " · ".join([each.domain, *people, f"evaluators {each.evaluators}"])
    screen.print(f"[bold]{safe(each.name)}[/bold] · {safe(head)}", soft_wrap=True)
    screen.print(
        f"{each.tasks} tasks × {each.trials} trials · {each.finished} of {each.slots} episodes · "
        f"coverage {each.coverage:.0%} · mean reward {each.mean_reward:.4f}",
        soft_wrap=True,
    )
    if each.pending:
        screen.print(
            f"{each.pending} grades await a judge and count their graded criteria only: rates are upper bounds"
        )
    screen.print(f"\n[bold]rates[/bold], {each.confidence:.0%} intervals clustered by task", highlight=False)
    rows = [("strict", each.strict_rate), ("evaluable", each.evaluable_rate)]
    if each.customer and each.customer.caused_failures:
        rows.append(("fair customer", each.customer.rate_without))
    if each.judge and each.judge.mean_reward:
        rows.append(("judge-corrected", each.judge.mean_reward))
    if each.trials > 1:
        shown = [k for k in each.pass_hat_k if k <= SHOWN_K or k == each.trials]
        rows += [(f"pass^{k}", each.pass_hat_k[k]) for k in shown]
    for line in interval_chart(rows, screen.width):
        screen.print(line, markup=False, highlight=False, soft_wrap=True)
    if each.coverage < 1:
        screen.print(f"evaluable counts the {each.evaluable} slots that have a reward, all others count every slot")
    if each.customer and each.customer.caused_failures:
        screen.print(
            "fair customer leaves out failures that the customer caused; it counts "
            f"{each.customer.coverage_without:.0%} of the slots"
        )
    if each.judge and each.judge.mean_reward:
        screen.print(
            "judge-corrected is the mean reward without the judge's errors, with their uncertainty", soft_wrap=True
        )
    if each.criteria:
        screen.print(_criteria(each))
        if not all(found.in_basis for found in each.criteria.values()):
            screen.print(f"* {NOT_IN_REWARD}")
    if each.personas:
        screen.print(_personas(each))
    screen.print()
    for title, counts in (
        ("outcomes", each.outcomes),
        ("errors by cause", each.errors),
        ("ended by", each.terminations),
        (f"{each.tool_calls} tool calls, errors", each.tool_errors),
    ):
        screen.print(f"{title}: {_counts(counts)}", highlight=False, soft_wrap=True)
    if each.customer:
        screen.print(_customer(each.customer), highlight=False)
    for line in trust_lines(each.judge) if each.judge else ():
        screen.print(safe(line), highlight=False, soft_wrap=True)
    if each.customer_turns:
        screen.print(_customer_turns(each.customer_turns), highlight=False)
    if each.usage:
        screen.print(_usage(each))
        for role, used in each.usage.items():
            if used.finish_reasons:
                ends = f"answers of the {safe(role)} ended by: {_counts(used.finish_reasons)}"
                screen.print(ends, highlight=False, soft_wrap=True)
    if each.spread:
        screen.print(_spread(each))


def _customer(found: CustomerFaults) -> str:
    from tau2_core.records.customer_reviews import NOT_REVIEWED

    lines = [
        f"customer: decisive faults in {found.decisive} of {found.reviewed} episodes ({found.caused_failures} failed), "
        f"minor ones in {found.minor}"
    ]
    if found.detectors:
        lines.append(f"faults of the customer, by episodes: {_counts(found.detectors)}")
    unreviewed = found.failed_detectors.get(NOT_REVIEWED)
    if unreviewed:
        lines.append(f"customers that a model could not review, for lack of a usable answer: {unreviewed}")
    raised = {name: count for name, count in found.failed_detectors.items() if name != NOT_REVIEWED}
    if raised:
        lines.append(f"detectors that raised, by episodes: {_counts(raised)}")
    return "\n".join(lines)


def _customer_turns(found: CustomerTurns) -> str:
    lines = [f"messages of the customer: {found.messages}, asked again for {found.asked_again}"]
    if found.asked_again:
        lines[0] += f" ({_counts(found.found_by)}), {found.still_faulty} of them with a fault after that"
    if found.with_plan or found.without_plan:
        lines.append(f"plans of the customer: {found.with_plan}, missing or in another form {found.without_plan}")
    return "\n".join(lines)


def _with_model(each: Report, role: str, name: str) -> str:
    return f"{role} {name}" + (f" ({each.models[role]})" if role in each.models else "")


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{safe(name)} {count}" for name, count in counts.items() if count) or "none"


def _table(first: str, *titles: str) -> Table:
    """Return a table whose figures are never cut off; names are folded on a narrow screen."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(f"\n{first}", overflow="fold")
    for title in titles:
        table.add_column(title if "\n" in title else f"\n{title}", justify="right", no_wrap=True)
    return table


def _criteria(each: Report) -> Table:

    from tau2_core.cli.charts import shown

    table = _table("criterion", "met", "not\nmet", "un-\nchecked", "vacuous", "strict rate", "evaluable")
    for name, found in each.criteria.items():
        counts = map(str, (found.met, found.unmet, found.unchecked, found.vacuous))
        evaluable = "–" if found.evaluable_rate is None else f"{found.evaluable_rate.value:.3f}"
        mark = "" if found.in_basis else " *"
        table.add_row(safe(name) + mark, *counts, safe(shown(found.strict_rate)), evaluable)
    return table


def _personas(each: Report) -> Table:
    from tau2_core.cli.charts import shown

    first = next(iter(each.personas))
    table = _table("persona", "episodes", "decisive\nfaults", "strict rate", f"less that of\n{safe(first)}")
    for name, found in each.personas.items():
        counts = (str(found.episodes), str(found.decisive_faults))
        difference = safe(shown(found.difference, signed=True))
        table.add_row(safe(name), *counts, safe(shown(found.strict_rate)), difference)
    return table


def _usage(each: Report) -> Table:
    table = _table("model of", "requests", "tokens in", "tokens out", "cut off", "dollars")
    for role, used in each.usage.items():
        counts = (used.requests, used.prompt_tokens, used.completion_tokens, used.cut_off)
        table.add_row(
            safe(role), *("unknown" if count is None else str(count) for count in counts), _dollars(used.cost)
        )
    return table


def _dollars(cost: float | None) -> str:
    if cost is None:
        return "unknown"
    return f"{cost:.2g}" if 0 < cost < 0.001 else f"{cost:.4f}"  # do not round small amounts to 0


def _spread(each: Report) -> Table:
    table = _table("an episode's", "mean", "least", "25%", "median", "75%", "most")
    for name, found in each.spread.items():
        values = (found.mean, found.least, found.quarter, found.median, found.three_quarters, found.most)
        table.add_row(name, *(f"{value:.2g}" if 0 < value < 1 else f"{value:.2f}" for value in values))
    return table


def _show_overview(reports: list[Report], screen: Console) -> None:

    from tau2_core.cli.charts import shown

    table = _table("run and agent", "coverage", "strict rate", "evaluable")
    for each in reports:
        evaluable = "–" if each.evaluable_rate is None else f"{each.evaluable_rate.value:.3f}"
        who = f"{each.name} · {each.models.get('agent', each.agent)} · {each.evaluators}"
        table.add_row(safe(who), f"{each.coverage:.0%}", safe(shown(each.strict_rate)), evaluable)
    screen.print(table)
