"""`tau2-gym tasks`: the tasks of a domain with their splits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tau2_core.cli.options import (
    DatasetOption,
    JsonOption,
    NoPluginOption,
    PackOption,
    PackTau2Option,
    all_packs,
    example,
)
from tau2_core.cli.safe_text import safe, say_json

if TYPE_CHECKING:
    from tau2_core.model.tasks import Task

SUMMARY = 300  # characters of a customer's request; longer lines are folded


@example("tau2-gym tasks airline --split test")
def tasks(
    domain: Annotated[str, typer.Argument(help="The domain; `tau2-gym domains` lists them.")],
    split: Annotated[str | None, typer.Option(help="A split of the tasks; default: all tasks.")] = None,
    dataset: DatasetOption = None,
    json_output: JsonOption = False,
    pack: PackOption = None,
    pack_tau2: PackTau2Option = None,
    no_plugin: NoPluginOption = None,
) -> None:
    """List a domain's tasks: what the customer wants, the splits, and what counts for the reward."""
    from tau2_core.runs.loading import load_setting, open_catalogue

    setting = load_setting(open_catalogue(all_packs(pack, pack_tau2), no_plugin or ()), domain, dataset=dataset)
    found = setting.select(split=split) if split is not None else list(setting.tasks().values())
    ids = {task.id for task in found}
    splits = {name: ids & set(members) for name, members in setting.splits().items()}
    rows = [_row(task, [name for name, members in splits.items() if task.id in members]) for task in found]
    if json_output:
        say_json(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        _show(rows)


def _row(task: Task, splits: list[str]) -> dict[str, Any]:
    criteria = task.evaluation_criteria
    return {
        "id": task.id,
        "splits": splits,
        "purpose": task.description.purpose if task.description else None,
        "wish": _wish(task),
        "outcome": task.outcome,
        "reward_basis": list(criteria.reward_basis) if criteria else [],
        "solo": task.ticket is not None,
    }


def _wish(task: Task) -> str:
    instructions = task.user_scenario.instructions
    return instructions if isinstance(instructions, str) else instructions.reason_for_call


def _show(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    from tau2_core.cli.tables import console

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("task", overflow="fold", ratio=2)
    table.add_column("splits", overflow="fold", ratio=1)
    table.add_column("what it is about", overflow="fold", ratio=4)
    for row in rows:
        about = " ".join((row["purpose"] or row["wish"]).split())
        about = about if len(about) <= SUMMARY else f"{about[:SUMMARY]}…"
        table.add_row(safe(row["id"]), safe(", ".join(row["splits"])), safe(about))
    screen = console()
    screen.print(table)
    screen.print(f"{len(rows)} tasks")
