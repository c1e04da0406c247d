"""Identifiers: derived from a call's arguments, so that a repeated call finds the record of the first one."""

from collections.abc import MutableMapping
from hashlib import sha256
from typing import Any

from tau2_domain_banking_knowledge.models import Row

TODAY = "11/14/2025"


def digits(text: str, length: int) -> str:
    """Return the first hexadecimal digits of a text's SHA-256."""
    return sha256(text.encode()).hexdigest()[:length]


def joined(*parts: str) -> str:
    """Return the seed of an id. Raises TypeError if a part is not text, as tau2-bench does for some kinds of ids."""
    return ":".join(parts)


def put(table: MutableMapping[str, Row], record_id: str, record: dict[str, Any]) -> bool:
    """Add a record unless its id is taken; return whether it was added."""
    if record_id in table:
        return False
    table[record_id] = record
    return True
