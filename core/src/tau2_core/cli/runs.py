"""`tau2-gym runs`: the list of run folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from tau2_core.cli.options import JsonOption, example
from tau2_core.cli.safe_text import safe, say, say_json


@example("tau2-gym runs")
def runs(
    folder: Annotated[Path, typer.Argument(help="The folder that contains run folders.")] = Path("runs"),
    json_output: JsonOption = False,
) -> None:
    """List run folders: participants, progress and mean reward. Exits with 1 if one is damaged."""
    from tau2_core.errors import Tau2GymError
    from tau2_core.records.reader import read_run, run_folders

    rows: list[dict[str, Any]] = []
    for each in run_folders(folder):
        row: dict[str, Any] = {"name": each.name, "folder": str(each)}
        try:
            run = read_run(each)
        except Tau2GymError as error:
            row["damaged"] = str(error)
        else:
            slots = len(run.tasks) * run.trials
            row |= {
                "domain": run.config["domain"],
                "agent": run.model("agent") or run.config["agent"]["name"],
                "user": run.model("user") or run.config["user"]["name"],
                "evaluators": run.graded_by or run.config["evaluators"],
                "finished": len(run.grades),
                "slots": slots,
                "mean_reward": sum(grade.reward or 0.0 for grade in run.grades.values()) / slots,
            }
        rows.append(row)
    if json_output:
        say_json(json.dumps(rows, indent=2, ensure_ascii=False))
    elif rows:
        _show(rows)
    else:
        say(f"{folder} contains no run; `tau2-gym run DOMAIN` creates one")
    if any("damaged" in row for row in rows):
        raise typer.Exit(1)


def _show(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    from tau2_core.cli.tables import console

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("run", overflow="fold", ratio=3)
    table.add_column("domain", overflow="fold")
    table.add_column("agent", overflow="fold", ratio=2)
    for title in ("episodes", "mean reward"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        if "damaged" not in row:
            whole = row["finished"] == row["slots"]
            episodes = str(row["slots"]) if whole else f"{row['finished']} of {row['slots']}"
            names = (safe(row[key]) for key in ("name", "domain", "agent"))
            table.add_row(*names, episodes, f"{row['mean_reward']:.4f}")
    console().print(table)
    for row in rows:
        if "damaged" in row:
            say(f"error: {row['damaged']}", err=True)
