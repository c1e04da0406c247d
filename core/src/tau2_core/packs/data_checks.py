"""Checks of a pack's data that loads but looks wrong: keys without a field, ids that differ from their key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from tau2_core.errors import Problem
from tau2_core.model.tasks import Task
from tau2_core.model.tools import Role
from tau2_core.packs.conversions import Conversions
from tau2_core.packs.databases import read_data, read_document
from tau2_core.packs.manifest import DatabaseEntry
from tau2_core.packs.pack import Pack
from tau2_core.packs.problems import Problems
from tau2_core.packs.record_ids import differing_ids
from tau2_core.packs.source_error import SourcePath
from tau2_core.packs.tasks import TaskSource
from tau2_core.problem_kinds import ProblemKind
from tau2_core.state.merge import merge_data
from tau2_core.state.world import World


@dataclass(frozen=True)
class _Note:
    kind: ProblemKind
    path: SourcePath
    text: str
    group: tuple[str, ...]  # only the first note of a group is reported
    id: str = ""  # that differs from its key


def check_data(pack: Pack, warnings: Problems) -> dict[str, Problem]:
    """Note unknown keys and differing ids in a pack's databases, with file and line.

    Return the warning about each id that is not the key of its record.
    """
    by_id: dict[str, Problem] = {}
    if pack.wrapped is not None:
        return by_id  # its own code loads its data
    for role in pack.database_roles:
        entry, file, base = _entry(pack, role), pack.data_file(role), pack.base(role)
        fields = base.nested(base.fields)
        unknown = Conversions().look(read_data(file), fields).unknown
        groups: dict[tuple[str, ...], list[_Note]] = {}
        for note in (*_unknown_keys(unknown), *_differing_ids(fields)):
            if not _declared(note.path, entry.unchecked):
                groups.setdefault(note.group, []).append(note)
        document = read_document(file) if groups else None
        for first, *others in groups.values():
            more = f" (and {len(others)} more like it)" if others else ""
            where = f"databases.{role}.unchecked in {pack.manifest_source.file.name}"
            what = f"{'.'.join(map(str, first.path))}: {first.text}{more}"
            line = document.line(first.path) if document else None
            warnings.add(file, first.kind, what, line=line, hint=f"correct the data, or declare it under {where}")
            by_id |= {note.id: warnings.found[-1] for note in (first, *others) if note.id}
    return by_id


def check_initial_data(pack: Pack, task: Task, source: TaskSource, problems: Problems, warnings: Problems) -> None:
    """Note text in place of numbers and bools in a task's initial data, and warn of keys without a field.

    Data that does not apply at all is noted when the task is played.
    """
    data = task.initial_state.initialization_data if task.initial_state else None
    patches: dict[Role, Any] = {"agent": data.agent_data, "user": data.user_data} if data else {}
    for role, patch in patches.items():
        if patch and role in pack.models and pack.wrapped is None:
            _check_patch(pack, task, role, patch, source, problems, warnings)


def _check_patch(
    pack: Pack,
    task: Task,
    role: Role,
    data: dict[str, Any],
    source: TaskSource,
    problems: Problems,
    warnings: Problems,
) -> None:
    world = World(pack.base(role))
    try:
        merge_data(world, data)
    except ValueError:
        return
    merged = world.base.nested({name: world.read_field(name) for name in world.base.fields})
    merged = {name: merged[name] for name in data}
    found = Conversions().look(data, merged)
    part = ("initial_state", "initialization_data", f"{role}_data")
    for each in found.converted:
        what = f"task {task.id!r}: {'.'.join(map(str, each.path))}: {each}"
        problems.at(source.source(*part, *each.path), ProblemKind.DATA, what)
    for path, kind in found.unknown:
        if not _declared(path, _entry(pack, role).unchecked):
            what = f"task {task.id!r}: {'.'.join(map(str, path))}: {kind} has no such field, so it is ignored"
            warnings.at(
                source.source(*part, *path), ProblemKind.UNKNOWN_FIELD, what, hint="correct the key, or remove it"
            )
    for note in _differing_ids(merged):
        given = data.get(str(note.path[0]))
        if isinstance(given, dict) and note.path[1] in given and not _declared(note.path, _entry(pack, role).unchecked):
            what = f"task {task.id!r}: {'.'.join(map(str, note.path))}: {note.text}"
            warnings.at(source.source(*part, *note.path), ProblemKind.DIFFERING_ID, what, hint="correct one of them")


def _entry(pack: Pack, role: Role) -> DatabaseEntry:
    entry = pack.manifest.database(role)
    assert entry is not None
    return entry


def _unknown_keys(unknown: Sequence[tuple[SourcePath, str]]) -> Iterator[_Note]:
    for path, kind in unknown:
        text = f"{kind} has no field {path[-1]!r}, so it is ignored"
        yield _Note(ProblemKind.UNKNOWN_FIELD, path, text, (str(path[0]), kind, str(path[-1])))


def _differing_ids(fields: Mapping[str, Any]) -> Iterator[_Note]:
    for path, table, value in differing_ids(fields):
        text = f"the record's id is {value!r}, but its key is {path[-2]!r}"
        yield _Note(ProblemKind.DIFFERING_ID, path, text, (table, "id"), str(value))


def _declared(path: SourcePath, patterns: Sequence[str]) -> bool:
    text = ".".join(map(str, path))
    return any(fnmatchcase(text, pattern) for pattern in patterns)
