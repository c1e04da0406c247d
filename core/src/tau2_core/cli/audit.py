"""The output of `tau2-gym check --audit`: a table for each domain, then every pass and how it was achieved."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tau2_core.cli.safe_text import say, say_json

if TYPE_CHECKING:
    from tau2_core.plugins.catalogue import Catalogue
    from tau2_core.runs.audit import Audit
    from tau2_core.runs.executors.launching import ChosenExecutor


def audit_domains(
    catalogue: Catalogue,
    names: Sequence[str],
    *,
    evaluators: str,
    dataset: Path | None,
    split: str | None,
    executor: ChosenExecutor,
    packs: Sequence[Path],
    blocked: Sequence[str],
    json_output: bool,
) -> None:
    """Audit domains in order. Exits with 1 if a baseline passes a pack's own task without being allowed to.

    It also does if a task could not be audited, since it ended its worker.
    """
    from tau2_core.cli.progress import progress
    from tau2_core.runs.audit import audit
    from tau2_core.runs.loading import load_setting
    from tau2_core.runtime.event_loop import run_async

    audits = []
    for name in names:
        setting = load_setting(catalogue, name, dataset=dataset)
        with progress(f"auditing {name}", None, quiet=json_output) as bar:
            work = audit(
                setting,
                catalogue,
                evaluators,
                split=split,
                executor=executor,
                packs=packs,
                blocked=blocked,
                on_task=bar.advance,
            )
            audits.append(run_async(work))
    if json_output:
        say_json(json.dumps({"audits": [_as_json(each) for each in audits]}, indent=2))
    else:
        for each in audits:
            _show(each)
    lost = any(each.lost for each in audits)
    if lost or (dataset is None and any(each.refused or each.stale for each in audits)):
        raise typer.Exit(1)


def _show(audit: Audit) -> None:
    from tau2_core.cli.tables import console, folding_table
    from tau2_core.runs.audit import BASELINES

    table = folding_table(("baseline", "what it does"), BASELINES)
    for title in ("tried", "passed", "allowed"):
        table.add_column(title, justify="right", no_wrap=True)
    for baseline, does in BASELINES.items():
        passed = audit.passed(baseline)
        allowed = sum(bool(each.allowed) for each in passed)
        table.add_row(baseline, does, *map(str, (audit.played.get(baseline, 0), len(passed), allowed)))
    console().print(table)
    for each in audit.refused:
        say(f"{audit.domain}: {each.baseline} passes {each.task} {each.how}".rstrip())
    for baseline, why in dict.fromkeys((each.baseline, each.allowed) for each in audit.passes if each.allowed):
        tasks = [each.task for each in audit.passes if (each.baseline, each.allowed) == (baseline, why)]
        say(f"{audit.domain}: {baseline} may pass {', '.join(tasks)}: {why}")
    for problem in audit.stale:
        say(str(problem))
    for task_id, why in audit.lost.items():
        say(f"{audit.domain}: task {task_id!r} cannot be audited: {why}")
    refused, allowed = len(audit.refused), len(audit.passes) - len(audit.refused)
    counts = f"passes {len(audit.passes)}, allowed {allowed}, not allowed {refused}, stale {len(audit.stale)}"
    say(f"{audit.domain}: evaluators {audit.evaluators}, tasks {audit.tasks}, {counts}\n")


def _as_json(audit: Audit) -> dict[str, object]:
    stale = [{"file": str(each.file), "line": each.line, "message": each.message} for each in audit.stale]
    return {**asdict(audit), "stale": stale}
