"""`tau2-gym check`: all problems of a pack in one report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tau2_core.cli.check_formats import Format, write_reports
from tau2_core.cli.options import (
    DatasetOption,
    ExecutorOption,
    ExecutorOptionOption,
    JsonOption,
    NoPluginOption,
    PackOption,
    PackTau2Option,
    WorkersOption,
    all_packs,
    example,
)
from tau2_core.cli.safe_text import say
from tau2_core.problem_kinds import ProblemKind


@example("tau2-gym check airline mock")
def check(
    domain: Annotated[
        list[str] | None, typer.Argument(help="Domains to check; default: those of --pack, or all.")
    ] = None,
    audit: Annotated[
        bool, typer.Option("--audit", help="Report tasks that baselines pass without helping the customer.")
    ] = False,
    evaluators: Annotated[
        str | None, typer.Option(metavar="SET|FILE", help="--audit: the evaluators; default: strict.")
    ] = None,
    dataset: DatasetOption = None,
    split: Annotated[str | None, typer.Option(help="--audit: a split of the tasks; default: base.")] = None,
    executor: ExecutorOption = None,
    workers: WorkersOption = None,
    executor_option: ExecutorOptionOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 for warnings too.")] = False,
    output: Annotated[
        Format, typer.Option("--format", help="The output format; github: annotations of a pull request.")
    ] = Format.TEXT,
    fix: Annotated[bool, typer.Option("--fix", help="Correct misspelt names in your packs' files first.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Check again when a file of your packs changes.")] = False,
    json_output: JsonOption = False,
    pack: PackOption = None,
    pack_tau2: PackTau2Option = None,
    no_plugin: NoPluginOption = None,
) -> None:
    """Check packs: files, bindings, prompts, data, and every task by playing it. Exits with 1 if anything is wrong."""
    from tau2_core.cli.audit import audit_domains
    from tau2_core.cli.progress import progress
    from tau2_core.errors import Problem, UsageError
    from tau2_core.packs.pack_modules import own_folder
    from tau2_core.runs.check import CheckReport, check_domain
    from tau2_core.runs.executors.launching import wanted_executor
    from tau2_core.runs.loading import open_catalogue, pack_domain
    from tau2_core.runs.proving import Proving
    from tau2_core.scaffold.fixes import apply_fixes

    if (fix or watch) and audit:
        raise UsageError(f"--{'fix' if fix else 'watch'} and --audit exclude each other")
    if (fix or watch) and not (domain or pack):
        raise UsageError(
            f"--{'fix' if fix else 'watch'} works on your own packs: name them, or give their folders with --pack"
        )
    if (fix or watch) and pack_tau2:
        written = f"write them first: tau2-gym new NAME --from-tau2 {pack_tau2[0]}"
        raise UsageError(f"--{'fix' if fix else 'watch'} works on a pack's files; {written}")
    packs = all_packs(pack, pack_tau2)
    in_folders = [pack_domain(path) for path in packs]
    catalogue = open_catalogue(in_folders, no_plugin or ())
    names = domain or [found.name for found in in_folders] or catalogue.domain_names()
    if fix or watch:
        folders = [own_folder(catalogue.domain(name)) for name in dict.fromkeys(names)]
    by = Proving(wanted_executor(catalogue, executor, workers, executor_option), packs, no_plugin or ())
    if watch:
        from tau2_core.cli.watch import watch_folders

        watch_folders(folders, [word for word in sys.argv[1:] if word != "--watch"])
        return
    if audit:
        if output not in (Format.TEXT, Format.JSON):
            raise UsageError(f"--format {output.value} is not supported with --audit: use text or json")
        audit_domains(
            catalogue,
            list(dict.fromkeys(names)),
            evaluators=evaluators or "strict",
            dataset=dataset,
            split=split,
            executor=by.executor,
            packs=packs,
            blocked=no_plugin or (),
            json_output=json_output or output is Format.JSON,
        )
        return
    for option, value in {
        "--evaluators": evaluators,
        "--dataset": dataset,
        "--split": split,
    }.items():
        if value is not None:
            raise UsageError(f"{option} is an option of the audit: add --audit")
    how = Format.JSON if json_output else output
    every = not domain and not packs
    reports = [CheckReport(problem.pack, [problem]) for problem in (catalogue.broken() if every else ())]
    names = list(dict.fromkeys(names))
    if fix:
        for name in names:
            for line in apply_fixes(check_domain(catalogue, name, by=by).problems):
                say(f"fixed: {line}", err=True)
    for name in names:
        with progress(f"checking {name}", None, quiet=how is not Format.TEXT) as bar:
            try:
                reports.append(check_domain(catalogue, name, bar.advance, by=by))
            except UsageError as error:  # for example provided by two packages; the others are checked all the same
                if domain:
                    raise
                origin = Path(catalogue.origin("domain", name))
                reports.append(CheckReport(name, [Problem(name, ProblemKind.PLUGIN, origin, str(error))]))
    write_reports(reports, how)
    if any(report.problems or (strict and report.warnings) for report in reports):
        raise typer.Exit(1)
