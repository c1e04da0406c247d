"""`tau2-gym export`: a run, or a domain's tasks, in another tool's format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tau2_core.cli.options import DatasetOption, NoPluginOption, PackOption, example
from tau2_core.cli.safe_text import say

OFFICIAL = "tau2-bench"
BUILT_IN = (OFFICIAL, "table", "tokens")
BY_ENDING = {".parquet": "table", ".csv": "table", ".eval": "inspect"}


@example(
    "tau2-gym run mock --name mine",
    "tau2-gym export runs/mine mine.parquet",
    "tau2-gym export airline airline.jsonl --to eval-protocol --split test",
)
def export(
    source: Annotated[str, typer.Argument(metavar="RUN|DOMAIN", help="A run folder, or a domain for its tasks.")],
    out: Annotated[
        Path | None, typer.Argument(help="The file or folder to write; none for a format that is sent, such as otlp.")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="TOOL",
            help="The format: tau2-bench, table, tokens, atif, eval-protocol, inspect, otlp, or a plugin's. Default: "
            "inspect for a file that ends in .eval, table for .parquet or .csv, otherwise tau2-bench.",
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
        str | None, typer.Option(metavar="MODEL", help="For rows: the model that plays the customer.")
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="otlp: the collector's address; short for --option endpoint=URL.")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="An option of the format; repeatable.")
    ] = None,
    pack: PackOption = None,
    no_plugin: NoPluginOption = None,
) -> None:
    """Write a run as a table, official result files or a plugin's format, or a domain's tasks in a plugin's format.

    `table` writes one row per episode, with its reward, verdicts, tokens and cost, as Parquet, CSV or JSON lines (file
    names that end in .parquet, .csv, .jsonl), for pandas, polars or DuckDB.

    `tokens` writes the token ids of prompts and samples with a mask, one row per sequence, as JSON lines or, if the
    file's name ends in .parquet, Parquet. The run must have been made with --token-traces.

    `atif` writes trajectories in Harbor's interchange format, as JSON lines (.jsonl) or a folder with a file for each.

    The package tau2-gym-eval-protocol adds rows of eval-protocol: JSON lines for its `@evaluation_test` and ours.
    tau2-gym-inspect adds `inspect`: logs (.eval) that Inspect View opens. tau2-gym-opentelemetry adds `otlp`: traces,
    which are sent to a collector.
    """
    from tau2_core.errors import UsageError
    from tau2_core.records.reader import read_run
    from tau2_core.runs.export import chosen_options, export_tau2_bench, exported, run_export, tasks_export
    from tau2_core.runs.grading_work import setting_of
    from tau2_core.runs.loading import load_setting, open_catalogue

    catalogue = open_catalogue(pack or (), no_plugin or ())
    to = to or BY_ENDING.get(out.suffix if out else "", OFFICIAL)
    exporter = None if to in BUILT_IN else catalogue.exporter(to)
    given = [*(option or ()), *([] if endpoint is None else [f"endpoint={endpoint}"])]
    options = {} if exporter is None else chosen_options(exporter, given)
    if exporter is not None and not Path(source).is_dir():
        setting = load_setting(catalogue, source, dataset=dataset, variant=variant, solo=solo)
        tasks = tasks_export(setting, split=split, user_model=user_model, options=options)
        say(exported(exporter, tasks, out))
        return
    if dataset or split or variant or solo:
        raise UsageError(
            f"{source}: --dataset, --split, --variant and --solo are for a domain's tasks; a run has its own"
        )
    finished = read_run(Path(source))
    if exporter is not None:
        setting = setting_of(finished.config, catalogue)
        say(exported(exporter, run_export(finished, setting, user_model, options), out))
        return
    if given:
        raise UsageError(f"--option {given[0]}: the format {to} has no options")
    if out is None:
        raise UsageError(f"--to {to}: name the file to write")
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
    written, warnings = export_tau2_bench(finished, setting, catalogue, out, layout)
    for warning in warnings:
        say(f"note: {warning}", err=True)
    say(f"{len(finished.records)} episodes written to {written}")
