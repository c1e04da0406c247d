"""Checks of a knowledge base: its documents must name the hidden tools, and the tasks' searches must find them."""

from __future__ import annotations

from collections.abc import Iterator

from tau2_core.episode.environment import Environment
from tau2_core.episode.setting import Setting
from tau2_core.errors import PackError, Tau2GymError, ToolError, UnavailableError
from tau2_core.evaluators.evidence import play_gold
from tau2_core.model.knowledge import Document
from tau2_core.model.tasks import Task
from tau2_core.packs.pack import ROLES, Pack
from tau2_core.packs.problems import Problems
from tau2_core.packs.retrieval import Searching
from tau2_core.problem_kinds import ProblemKind


def knowledge_works(pack: Pack, problems: Problems) -> bool:
    """Note documents that cannot be read, retrievers that cannot be created, and hidden tools that no document names.

    Returns whether the pack can be played all the same.
    """
    try:
        documents = pack.knowledge().documents
    except PackError as error:
        problems.extend(error.problems)
        return False
    if any(each.kind in (ProblemKind.RETRIEVER, ProblemKind.VARIANT) for each in problems.found):
        return False
    works = True
    for variant in ("", *pack.manifest.variants):
        try:
            Setting(pack, variant=variant)
        except UnavailableError:  # of this machine, not of the pack; a run says what to install
            continue
        except Tau2GymError as error:
            problems.at(pack.manifest_source, ProblemKind.RETRIEVER, f"variant {variant!r}: {error}")
            works = False
    for tools in pack.tools.values():
        for tool in tools.values():
            known = pack.manifest.knowledge is not None
            if known and tool.hidden and not any(tool.name in each.content for each in documents):
                what = f"no document names the hidden tool {tool.name!r}, so nobody can find it"
                problems.at(tool.source, ProblemKind.UNDOCUMENTED, what, hint="name it in a document, or remove it")
    return works


def check_searches(pack: Pack, problems: Problems) -> None:
    """Note tasks whose gold unlocks tools that their searches do not find with the default variant."""
    setting = Setting(pack)
    search = next((tool.handler for tool in setting.tools("agent").values() if tool.search is not None), None)
    hidden = any(tool.hidden for tools in pack.tools.values() for tool in tools.values())
    if pack.manifest.knowledge is None or not hidden or not isinstance(search, Searching):
        return
    for task in pack.task_set().written.values():
        needed = _unlocked(play_gold(setting, task).environment)
        try:
            hits = [hit.document for query in task.searches or () for hit in search.find(query)]
        except (ToolError, TypeError) as error:
            _note(pack, task, f"its searches fail: {error}", problems)
            continue
        missing = [name for name in needed if not _is_named(name, hits)]
        if missing:
            what = f"its searches find no document that names {', '.join(missing)}"
            _note(pack, task, what, problems)


def _unlocked(environment: Environment) -> Iterator[str]:
    for role in ROLES:
        yield from environment.unlocked[role]


def _is_named(name: str, documents: list[Document]) -> bool:
    return any(name in each.content for each in documents)


def _note(pack: Pack, task: Task, what: str, problems: Problems) -> None:
    source = pack.task_set().source(task.id).source("searches")
    hint = "add queries to `searches`, or correct the documents"
    problems.at(source, ProblemKind.UNFINDABLE, f"task {task.id!r}: {what}", hint=hint)
