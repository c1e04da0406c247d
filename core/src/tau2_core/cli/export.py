"""`tau2-gym export`: a run in another tool's format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tau2_core.cli.options import NoPluginOption, PackOption, example


@example("tau2-gym export runs/mine --to tau2-bench results.json")
def export(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    out: Annotated[Path, typer.Argument(help="The file or, for the format dir, the folder to write.")],
    to: Annotated[Literal["tau2-bench"], typer.Option(help="The tool that is to read it.")] = "tau2-bench",
    layout: Annotated[
        Literal["json", "dir"], typer.Option("--format", help="One file, or a folder with a file a simulation.")
    ] = "json",
    pack: PackOption = None,
    no_plugin: NoPluginOption = None,
) -> None:
    """Write a run for another tool: with `--to tau2-bench` as official result files."""
    from tau2_core.runs.export import export_tau2_bench
    from tau2_core.runs.grading import setting_of
    from tau2_core.runs.prepare import open_catalogue
    from tau2_core.runs.recorded import read_run

    finished = read_run(run)
    setting = setting_of(finished, open_catalogue(pack or (), no_plugin or ()))
    if to == "tau2-bench":
        written, warnings = export_tau2_bench(finished, setting, out, layout)
    for warning in warnings:
        typer.echo(f"note: {warning}", err=True)
    typer.echo(f"{len(finished.records)} episodes written to {written}")
