"""`tau2-gym export`: a run, or a domain's tasks, in another tool's format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tau2_core.cli.options import DatasetOption, NoPluginOption, PackOption, example
from tau2_core.cli.safe_text import say

OFFICIAL = "tau2-bench"
BUILT_IN = (OFFICIAL, "table", "tokens")


@example(
    "tau2-gym run mock --name mine",
    "tau2-gym export runs/mine mine.parquet",
    "tau2-gym export airline airline.jsonl --to eval-protocol --split test",
)
def export(
    source: Annotated[str, typer.Argument(metavar="RUN|DOMAIN", help="A run folder, or a domain for its tasks.")],
    out: Annotated[Path, typer.Argument(help="The file or, for the format dir, the folder to write.")],
    to: Annotated[
        str | None,
        typer.Option(
            metavar="TOOL",
            help="The format: tau2-bench, table, tokens, eval-protocol, or that of a plugin. Default: table for a file "
            "that ends in .parquet or .csv, otherwise tau2-bench.",
        ),
    ] = None,
    layout: Annotated[
        Literal["json", "dir"],
        typer.Option("--format", help="tau2-bench: one file, or a folder with one per simulation."),
    ] = "json",
    dataset: DatasetOption = None,
    split: Annotated[str | None, typer.Option(help="For a domain: a split of the tasks; default: base.")] = None,
    variant: Annotated[str, typer.Option(help="For a domain: other prompts.")] = "",
    solo: Annotated[
        bool, typer.Option("--solo", help="For a domain: tasks that are played without a customer.")
    ] = False,
    user_model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Rows: the model that is to play the customer.")
    ] = None,
    pack: PackOption = None,
    no_plugin: NoPluginOption = None,
) -> None:
    """Write a run as a table, as official result files or in a plugin's format, or a domain's tasks in a plugin's.

    `table` writes one row per episode, with its reward, verdicts, tokens and cost, as Parquet, CSV or JSON lines (file
    names that end in .parquet, .csv, .jsonl), for pandas, polars or DuckDB.

    `tokens` writes the token ids of prompts and samples with a mask, one row per sequence, as JSON lines or, if the
    file's name ends in .parquet, Parquet. The run must have been made with --token-traces.

    The plugin tau2-gym-eval-protocol adds rows of eval-protocol: JSON lines for its `@evaluation_test` and ours.
    """
    from tau2_core.errors import UsageError
    from tau2_core.records.reader import read_run
    from tau2_core.runs.export import export_tau2_bench, exported_lines, run_export, tasks_export, write_lines
    from tau2_core.runs.grading_work import setting_of
    from tau2_core.runs.loading import load_setting, open_catalogue

    catalogue = open_catalogue(pack or (), no_plugin or ())
    to = to or ("table" if out.suffix in (".parquet", ".csv") else OFFICIAL)
    exporter = None if to in BUILT_IN else catalogue.exporter(to)
    if exporter is not None and not Path(source).is_dir():
        setting = load_setting(catalogue, source, dataset=dataset, variant=variant, solo=solo)
        lines = exported_lines(exporter, tasks_export(setting, split=split, user_model=user_model))
        write_lines(out, lines)
        say(f"{len(lines)} rows written to {out}")
        return
    if dataset or split or variant or solo:
        raise UsageError(
            f"{source}: --dataset, --split, --variant and --solo are for a domain's tasks; a run has its own"
        )
    finished = read_run(Path(source))
    if to == "table":
        from tau2_core.runs.table import write_table

        say(f"{write_table(out, finished)} rows written to {out}")
        return
    if to == "tokens":
        from tau2_core.runs.token_rows import token_rows, write_token_rows

        tokens = token_rows(finished)
        write_token_rows(out, tokens)
        forks = sum(row.sequence > 0 for row in tokens)
        say(f"{len(tokens)} rows written to {out}" + (f"; {forks} of them begin where a prompt forks" if forks else ""))
        return
    setting = setting_of(finished.config, catalogue)
    if exporter is not None:
        lines = exported_lines(exporter, run_export(finished, setting, user_model))
        write_lines(out, lines)
        say(f"{len(lines)} rows written to {out}")
        return
    written, warnings = export_tau2_bench(finished, setting, catalogue, out, layout)
    for warning in warnings:
        say(f"note: {warning}", err=True)
    say(f"{len(finished.records)} episodes written to {written}")
