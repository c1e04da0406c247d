"""The contents of a domain for its pages: policies by variant, database tables and task families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tau2_core.episode.setting import Setting
from tau2_core.errors import Tau2GymError, UsageError
from tau2_core.model.tools import Role
from tau2_core.name_suggestions import did_you_mean
from tau2_core.state.records import plain

from tau2_gym_workbench.settings import Settings

ROWS = 50


@dataclass(frozen=True, slots=True)
class TableName:
    """A table of a side's database; `rows` is None for a field that is not a table."""

    role: Role
    name: str
    rows: int | None


@dataclass(frozen=True, slots=True)
class TablePage:
    """Some rows of a table: keys, and values in the order of `columns`. A field that is not a table has no columns."""

    columns: list[str]
    rows: list[tuple[str, list[Any]]]
    page: int
    pages: int
    found: int
    value: Any = None


def policies(settings: Settings, setting: Setting) -> list[tuple[str, str]]:
    """Return the policy rendered for each variant, by the variant's name, or the error."""
    pack = setting.pack
    wanted = [("", False), *((variant, False) for variant in pack.manifest.variants)]
    wanted += [("", True)] if pack.supports_solo else []
    found = []
    for variant, solo in wanted:
        name = variant or ("solo" if solo else "default")
        try:
            text = settings.domain(setting.domain, variant=variant, solo=solo).policy_text
        except Tau2GymError as error:
            text = str(error)
        found.append((name, text))
    return found


def tables(setting: Setting) -> list[TableName]:
    """Return the tables of both sides. Raises PackError if a database cannot be read."""
    return [
        TableName(role, name, len(value) if name in base.tables else None)
        for role, base in setting.bases().items()
        for name, value in base.fields.items()
    ]


def table_page(setting: Setting, role: str, name: str, *, text: str = "", page: int = 1) -> TablePage:
    """Return one page of the rows whose key or values contain `text`. Raises UsageError if there is no such table."""
    bases = {str(key): base for key, base in setting.bases().items()}
    if role not in bases or name not in bases[role].fields:
        known = [each.name for each in tables(setting)]
        raise UsageError(f"{setting.domain} has no table {name!r} ({did_you_mean(name, known)})")
    base = bases[role]
    value = base.fields[name]
    if name not in base.tables:
        return TablePage([], [], 1, 1, 1, plain(value))
    keys = list(value)
    if text:
        folded = text.casefold()
        keys = [key for key in keys if folded in str(key).casefold() or folded in str(plain(value[key])).casefold()]
    pages = max(1, -(-len(keys) // ROWS))
    page = min(max(1, page), pages)
    records = [(str(key), plain(value[key])) for key in keys[(page - 1) * ROWS : page * ROWS]]
    columns = list(dict.fromkeys(column for _, record in records if isinstance(record, dict) for column in record))
    rows = [
        (key, [record.get(column) for column in columns] if isinstance(record, dict) else [record])
        for key, record in records
    ]
    return TablePage(columns or ["value"], rows, page, pages, len(keys))


@dataclass(frozen=True, slots=True)
class DomainRow:
    """A row in the list of domains; `problem` says why a domain cannot be opened."""

    name: str
    origin: str
    tools: int = 0
    user_tools: int = 0
    tasks: int = 0
    splits: Sequence[str] = ()
    variants: Sequence[str] = ()
    problem: str = ""


def domain_rows(settings: Settings) -> list[DomainRow]:
    """Return the installed domains, those in the given folders, and broken plugins."""
    catalogue = settings.catalogue
    rows = []
    for name in sorted({domain.name for domain in catalogue.domains()}):
        origin = catalogue.origin("domain", name)
        try:
            setting = settings.domain(name)
            rows.append(
                DomainRow(
                    name,
                    origin,
                    len(setting.tools("agent")),
                    len(setting.tools("user")),
                    len(setting.tasks()),
                    list(setting.splits()),
                    list(setting.pack.manifest.variants),
                )
            )
        except Tau2GymError as error:
            rows.append(DomainRow(name, origin, problem=str(error)))
    rows += [DomainRow(each.pack, "", problem=str(each)) for each in catalogue.broken()]
    return rows


def family_files(setting: Setting) -> list[Path]:
    """Return the files of the domain's task families."""
    pattern = setting.pack.manifest.tasks.families
    return sorted(setting.pack.folder.glob(pattern)) if isinstance(pattern, str) else []
