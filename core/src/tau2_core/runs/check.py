"""Checking a pack: first its files, then its tasks by playing them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from tau2_core.episode.customer_settings import render_customer_prompt
from tau2_core.episode.setting import Setting
from tau2_core.errors import PackError, Problem, UsageError
from tau2_core.packs.data_checks import check_data
from tau2_core.packs.family_checks import check_families, check_variant_families
from tau2_core.packs.load import load_pack
from tau2_core.packs.pack import Pack
from tau2_core.packs.problems import Problems
from tau2_core.packs.task_checks import check_tasks
from tau2_core.packs.unwritten_handlers import note_unwritten
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.problem_kinds import ProblemKind
from tau2_core.runs.evaluator_sets import choose_evaluators
from tau2_core.runs.executors.launching import chosen_executor
from tau2_core.runs.knowledge_checks import check_searches, knowledge_works
from tau2_core.runs.proving import Proving, prove_tasks
from tau2_core.runs.reproducibility import check_reproducible


@dataclass
class CheckReport:
    """The result of a check. Warnings are about content that loads but is most likely a mistake."""

    domain: str
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    tools: int = 0
    tasks: int = 0
    played: int = 0


def check_domain(
    catalogue: Catalogue, name: str, on_task: Callable[[], None] = lambda: None, *, by: Proving | None = None
) -> CheckReport:
    """Check a domain and return all problems. Tasks are played in this process, or as `by` says.

    Raises UsageError if there is no such domain, and RunError or PluginError if workers cannot be used.
    """
    problems = Problems(name)
    pack = load_pack(catalogue.domain(name), problems, catalogue.toolsets(name), catalogue.search_parts())
    warnings = Problems(name)
    report = CheckReport(name, problems.found, warnings.found)
    if pack is None:
        return report
    report.tools = sum(len(tools) for tools in pack.tools.values())
    _check_prompts(pack, problems)
    if not knowledge_works(pack, problems):
        return report  # nothing can be played without it
    _check_evaluators(pack, catalogue, problems)
    check_tasks(pack, problems)
    check_families(pack, problems)
    if not problems.found:
        check_variant_families(pack, problems)
    pack.unsound |= note_unwritten(pack, problems)
    tasks = pack.task_set().tasks
    report.tasks = len(tasks)
    if _bases_load(pack, problems):
        differing_ids = check_data(pack, warnings)
        if not pack.incomplete:
            by = by or Proving(chosen_executor(catalogue))
            proving = prove_tasks(pack, catalogue, by, problems, warnings, differing_ids, on_task)
            report.played, sound = asyncio.run(proving)
            if not problems.found:
                check_searches(pack, problems)
                proved = [tasks[task_id] for task_id in sound]
                check_reproducible(pack, catalogue.domain(name), catalogue.toolsets(name), proved, problems, warnings)
    return report


def _check_evaluators(pack: Pack, catalogue: Catalogue, problems: Problems) -> None:
    try:
        choose_evaluators(catalogue, None, Setting(pack))
    except UsageError as error:
        problems.at(pack.manifest_source, ProblemKind.EVALUATION, f"evaluation.evaluators: {error}")


def _bases_load(pack: Pack, problems: Problems) -> bool:
    """Tell whether every database that the manifest declares can be loaded."""
    declared = pack.manifest.databases
    if declared is None:
        return pack.wrapped is not None
    complete = len(pack.models) == (2 if declared.user else 1)
    for role in pack.models:
        try:
            pack.base(role)
        except PackError as error:
            problems.extend(error.problems)
            complete = False
    return complete


def _check_prompts(pack: Pack, problems: Problems) -> None:
    manifest = pack.manifest
    for variant in ("", *manifest.variants):
        for name in dict.fromkeys([*manifest.prompts, *(manifest.variants[variant].prompts if variant else ())]):
            file = manifest.prompt_file(name, variant)
            if file is not None and not (pack.folder / file).is_file():
                continue  # already noted
            try:
                pack.prompt(name, variant=variant, solo=name == "solo")
            except PackError as error:
                problems.extend(error.problems)
    for prompt in pack.customers.prompts.values():
        for tools in ((), tuple(pack.tools["user"].values())):
            try:
                render_customer_prompt(pack, prompt, tools)
            except PackError as error:
                problems.extend(error.problems)
