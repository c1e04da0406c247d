"""Look-ups by constraints, and the text of what they find.

A look-up pastes the given value into a JSON object, as the official bank does; so a value with quotes may break the
object, or add constraints of its own.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tau2_core import Refusal, reading

from tau2_domain_banking_knowledge.models import BankingDB, Row

Found = list[tuple[str, Row]]

_RESERVED = ("db", "db_name", "return_ids")
_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, wanted: bool(value == wanted),
    "ne": lambda value, wanted: bool(value != wanted),
    "gt": lambda value, wanted: bool(value > wanted),
    "gte": lambda value, wanted: bool(value >= wanted),
    "lt": lambda value, wanted: bool(value < wanted),
    "lte": lambda value, wanted: bool(value <= wanted),
    "contains": lambda value, wanted: wanted in value,
    "startswith": lambda value, wanted: bool(value.startswith(wanted)),
    "endswith": lambda value, wanted: bool(value.endswith(wanted)),
    "in": lambda value, wanted: value in wanted,
    "nin": lambda value, wanted: value not in wanted,
}


def rows(db: BankingDB, table: str) -> Mapping[str, Row]:
    """Return a table's records for reading."""
    found: Mapping[str, Row] = getattr(reading(db), table).data
    return found


def select(db: BankingDB, table: str, constraints: str) -> Found:
    """Return the records that meet constraints, a JSON object as text. Raises Refusal."""
    try:
        wanted = json.loads(constraints)
    except json.JSONDecodeError as error:
        raise Refusal(f"the look-up is not valid JSON: {error}") from error
    if not isinstance(wanted, dict):
        raise Refusal("the look-up should be an object of fields and values")
    if any(name in wanted for name in _RESERVED):
        raise Refusal(f"a look-up cannot use the fields {', '.join(_RESERVED)}")
    limit = wanted.pop("limit", None)
    found = [(key, row) for key, row in rows(db, table).items() if _fits(row, wanted)]
    return found[:limit] if limit else found


def _fits(row: Row, wanted: Mapping[str, Any]) -> bool:
    for key, value in wanted.items():
        field, _, operator = key.rpartition("__") if "__" in key else (key, "", "eq")
        test = _TESTS.get(operator, _TESTS["eq"])
        try:
            if not test(row.get(field), value):
                return False
        except (TypeError, AttributeError):
            return False
    return True


def find(db: BankingDB, table: str, field: str, value: Any) -> Found:
    """Return the records whose field has a value. Raises Refusal if the value breaks the look-up."""
    return select(db, table, f'{{"{field}": "{value}"}}')


def history(db: BankingDB, table: str, field: str, value: Any, *, nothing: str) -> str:
    """Return the text of records whose field has a value, or `nothing`. A broken look-up is answered, not refused."""
    try:
        found = find(db, table, field, value)
    except Refusal as refusal:
        return f"What is recorded: {refusal}"
    return text(table, found) if found else nothing


def exists(db: BankingDB, table: str, field: str, value: Any) -> bool:
    """Return whether a look-up finds something; True for a value that breaks it, as in tau2-bench."""
    try:
        return bool(find(db, table, field, value))
    except Refusal:
        return True


def text(table: str, found: Iterable[tuple[str, Row]]) -> str:
    """Return found records as the text of a result."""
    blocks = []
    for place, (key, row) in enumerate(found, 1):
        fields = "".join(f"   {name}: {value}\n" for name, value in row.items())
        blocks.append(f"{place}. Record ID: {key}\n{fields}")
    if not blocks:
        return f"No records found in '{table}'."
    return f"Found {len(blocks)} record(s) in '{table}':\n\n" + "\n".join(blocks)


def listed(db: BankingDB, table: str, field: str, value: Any) -> str:
    """Return the records whose field has a value, as text. Raises Refusal if the value breaks the look-up."""
    return text(table, find(db, table, field, value))
