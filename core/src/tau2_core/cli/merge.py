"""`tau2-gym merge`: merge the parts of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tau2_core.cli.options import JsonOption, example
from tau2_core.cli.safe_text import say, say_json


@example(
    "tau2-gym run mock --shard 1/2 --name part-1",
    "tau2-gym run mock --shard 2/2 --name part-2",
    "tau2-gym merge runs/part-1 runs/part-2 --into runs/whole",
)
def merge(
    parts: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders, such as those of shards.")],
    into: Annotated[Path, typer.Option(help="The run folder to create.")],
    json_output: JsonOption = False,
) -> None:
    """Merge the parts of one run, such as shards, into a new run folder.

    The parts must have the same configuration and content; each slot's episode is taken once. Slots that no part has
    played are missing, and `tau2-gym run --resume` plays them.
    """
    from tau2_core.runs.merge import merge_runs

    summary = merge_runs(parts, into)
    if json_output:
        say_json(summary.model_dump_json(indent=2))
        return
    say(f"{summary.finished} of {summary.slots} episodes are in {into}; tau2-gym report {into} shows them")
