"""What looks wrong in a pack's data although it loads: keys that no field takes, ids that differ from their key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from pydantic import BaseModel

from tau2_core.model.tasks import Task
from tau2_core.model.tools import Role
from tau2_core.packs.conversions import Conversions
from tau2_core.packs.databases import read_data, read_document
from tau2_core.packs.manifest import DatabaseEntry
from tau2_core.packs.pack import Pack
from tau2_core.packs.problems import Problems
from tau2_core.packs.source_error import SourcePath
from tau2_core.packs.tasks import TaskSource
from tau2_core.state.merge import merge_data
from tau2_core.state.world import World


@dataclass(frozen=True)
class _Note:
    path: SourcePath
    text: str
    group: tuple[str, ...]  # of several in one group only the first is told


def check_data(pack: Pack, warnings: Problems) -> None:
    """Note unknown keys and differing ids in the databases of a pack that loads, with file and line."""
    for role in pack.models:
        entry, file, base = _entry(pack, role), pack.data_file(role), pack.base(role)
        unknown = Conversions().look(read_data(file), dict(base.fields)).unknown
        groups: dict[tuple[str, ...], list[_Note]] = {}
        for note in (*_unknown_keys(unknown), *_differing_ids(base.fields)):
            if not _declared(note.path, entry.unchecked):
                groups.setdefault(note.group, []).append(note)
        document = read_document(file) if groups else None
        for first, *others in groups.values():
            more = f" (and {len(others)} more like it)" if others else ""
            where = f"databases.{role}.unchecked in {pack.manifest_source.file.name}"
            what = f"{'.'.join(map(str, first.path))}: {first.text}{more}"
            line = document.line(first.path) if document else None
            warnings.add(file, what, line=line, hint=f"correct the data, or declare it under {where}")


def check_initial_data(pack: Pack, task: Task, source: TaskSource, problems: Problems, warnings: Problems) -> None:
    """Note text for numbers and bools in a task's initial data, and warn of keys that no field takes.

    What does not apply at all is noted when the task is played.
    """
    data = task.initial_state.initialization_data if task.initial_state else None
    patches: dict[Role, Any] = {"agent": data.agent_data, "user": data.user_data} if data else {}
    for role, patch in patches.items():
        if patch and role in pack.models:
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
    merged = {name: world.read_field(name) for name in data}
    found = Conversions().look(data, merged)
    part = ("initial_state", "initialization_data", f"{role}_data")
    for each in found.converted:
        what = f"task {task.id!r}: {'.'.join(map(str, each.path))}: {each}"
        problems.at(source.source(*part, *each.path), what)
    for path, kind in found.unknown:
        if not _declared(path, _entry(pack, role).unchecked):
            what = f"task {task.id!r}: {'.'.join(map(str, path))}: {kind} has no such field, so it is dropped"
            warnings.at(source.source(*part, *path), what, hint="correct the key, or leave it out")


def _entry(pack: Pack, role: Role) -> DatabaseEntry:
    databases = pack.manifest.databases
    entry = databases.agent if role == "agent" else databases.user
    assert entry is not None
    return entry


def _unknown_keys(unknown: Sequence[tuple[SourcePath, str]]) -> Iterator[_Note]:
    for path, kind in unknown:
        text = f"{kind} has no field {path[-1]!r}, so it is dropped"
        yield _Note(path, text, (str(path[0]), kind, str(path[-1])))


def _differing_ids(fields: Mapping[str, Any]) -> Iterator[_Note]:
    for table, records in fields.items():
        if not isinstance(records, Mapping):
            continue
        rows = {key: row for key, row in records.items() if isinstance(key, str) and isinstance(row, BaseModel)}
        name = _id_field(table, rows)
        for key, row in rows.items():
            value = getattr(row, name) if name else key
            if isinstance(value, str) and value != key:
                yield _Note((table, key, name), f"the record's id is {value!r}, but its key is {key!r}", (table, "id"))


def _id_field(table: str, rows: Mapping[str, BaseModel]) -> str:
    """Return the field that repeats the key: in most records, or by its name; "" if there is none."""
    agreeing: dict[str, int] = {}
    for key, row in rows.items():
        for name, value in row.__dict__.items():
            if value == key and isinstance(value, str):
                agreeing[name] = agreeing.get(name, 0) + 1
    if agreeing:
        best = max(agreeing, key=lambda name: agreeing[name])
        if agreeing[best] * 2 >= len(rows):
            return best
    kinds = {type(row) for row in rows.values()}
    if not kinds:
        return ""
    names = ["id", f"{table}_id", f"{table.removesuffix('s')}_id", f"{table.removesuffix('es')}_id"]
    names += [f"{table.removesuffix('ies')}y_id", *(f"{kind.__name__.lower()}_id" for kind in kinds)]
    return next((name for name in names if all(name in kind.model_fields for kind in kinds)), "")


def _declared(path: SourcePath, patterns: Sequence[str]) -> bool:
    text = ".".join(map(str, path))
    return any(fnmatchcase(text, pattern) for pattern in patterns)
