"""`tau2-gym check`: everything that is wrong with a pack, in one report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tau2_core.cli.options import DatasetOption, JsonOption, NoPluginOption, PackOption, example
from tau2_core.cli.safe_text import say, say_json

if TYPE_CHECKING:
    from tau2_core.errors import Problem
    from tau2_core.runs.check import CheckReport


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
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 for warnings, too.")] = False,
    json_output: JsonOption = False,
    pack: PackOption = None,
    no_plugin: NoPluginOption = None,
) -> None:
    """Check packs: files, bindings, prompts, data, and every task by playing it. Exits with 1 if anything is wrong."""
    from tau2_core.cli.audit import audit_domains
    from tau2_core.cli.progress import progress
    from tau2_core.errors import Problem, UsageError
    from tau2_core.runs.check import CheckReport, check_domain
    from tau2_core.runs.loading import folder_domain, open_catalogue

    catalogue = open_catalogue(pack or (), no_plugin or ())
    names = domain or [folder_domain(path).name for path in pack or ()] or catalogue.domain_names()
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
    every = not domain and not pack
    reports = [CheckReport(problem.pack, [problem]) for problem in (catalogue.broken() if every else ())]
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
    if json_output:
        found = {
            "problems": [_as_json(problem) for report in reports for problem in report.problems],
            "warnings": [_as_json(problem) for report in reports for problem in report.warnings],
            "domains": [report.domain for report in reports],
        }
        say_json(json.dumps(found, indent=2))
    else:
        for report in reports:
            _show(report)
    if any(report.problems or (strict and report.warnings) for report in reports):
        raise typer.Exit(1)


def _as_json(problem: Problem) -> dict[str, Any]:
    place = {"pack": problem.pack, "file": str(problem.file), "line": problem.line}
    return {**place, "message": problem.message, "hint": problem.hint}


def _show(report: CheckReport) -> None:
    for problem in report.problems:
        say(str(problem))
    for warning in report.warnings:
        say(f"warning: {warning}")
    counts = {"problem": len(report.problems), "warning": len(report.warnings)}
    state = ", ".join(f"{count} {word}{'s' if count > 1 else ''}" for word, count in counts.items() if count)
    looked_at = f"{report.tools} tools, {report.tasks} tasks, {report.played} played"
    say(f"{report.domain}: {state or 'clean'} ({looked_at})")
