"""`tau2-gym check`: everything that is wrong with a pack, in one report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from tau2_core.cli.options import DatasetOption, JsonOption, NoPluginOption, PackOption, example


@example("tau2-gym check airline mock")
def check(
    domain: Annotated[
        list[str] | None, typer.Argument(help="Domains to check; default: those of --pack, or all.")
    ] = None,
    audit: Annotated[
        bool, typer.Option("--audit", help="Name tasks that baselines pass which do not serve the customer.")
    ] = False,
    evaluators: Annotated[
        str | None, typer.Option(metavar="SET|FILE", help="--audit: what grades; default: strict.")
    ] = None,
    dataset: DatasetOption = None,
    split: Annotated[str | None, typer.Option(help="--audit: a split of the tasks; default: base.")] = None,
    json_output: JsonOption = False,
    pack: PackOption = None,
    no_plugin: NoPluginOption = None,
) -> None:
    """Check packs: files, bindings, prompts, data, and every task by playing it. Exits with 1 if anything is wrong."""
    from tau2_core.cli.audit import audit_domains
    from tau2_core.cli.progress import progress
    from tau2_core.errors import Problem, UsageError
    from tau2_core.runs.check import CheckReport, check_domain
    from tau2_core.runs.prepare import folder_domain, open_catalogue

    catalogue = open_catalogue(pack or (), no_plugin or ())
    names = domain or [folder_domain(path).name for path in pack or ()] or [entry.name for entry in catalogue.domains()]
    if not names:
        raise UsageError("no domain is installed; install a pack, or name its folder with --pack")
    if audit:
        audit_domains(
            catalogue,
            list(dict.fromkeys(names)),
            evaluators=evaluators or "strict",
            dataset=dataset,
            split=split,
            json_output=json_output,
        )
        return
    for option, value in (("--evaluators", evaluators), ("--dataset", dataset), ("--split", split)):
        if value is not None:
            raise UsageError(f"{option} says how to audit: add --audit")
    reports = []
    for name in dict.fromkeys(names):
        with progress(f"checking {name}", None, quiet=json_output) as advance:
            try:
                reports.append(check_domain(catalogue, name, advance))
            except (
                UsageError
            ) as error:  # two packages bring it, say: of no concern for the others where all are checked
                if domain:
                    raise
                origin = Path(catalogue.origin("domain", name))
                reports.append(CheckReport(name, [Problem(name, origin, str(error))]))
    found = sum(len(report.problems) for report in reports)
    if json_output:
        rows = [
            {"pack": p.pack, "file": str(p.file), "line": p.line, "message": p.message, "hint": p.hint}
            for report in reports
            for p in report.problems
        ]
        typer.echo(json.dumps({"problems": rows, "domains": [report.domain for report in reports]}, indent=2))
    else:
        for report in reports:
            for problem in report.problems:
                typer.echo(str(problem))
            count = len(report.problems)
            state = f"{count} problem{'s' if count > 1 else ''}" if count else "clean"
            typer.echo(f"{report.domain}: {state} ({report.tools} tools, {report.tasks} tasks, {report.played} played)")
    if found:
        raise typer.Exit(1)
