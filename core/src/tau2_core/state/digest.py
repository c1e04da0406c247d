"""Digests of content: a quick one whose cost depends on the changes, and the official one of the whole database."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec

from tau2_core.state.records import plain

MODULUS = 1 << 256


def unit_digest(field: str, key: str | None, value: Any) -> int:
    """Return the digest of one record (or of a whole field, with key None) at its place, below 2**256.

    A state's digest is the sum of its units' digests modulo 2**256. So the order of changes and entries does not
    matter, and changing one unit costs one subtraction and one addition.
    """
    content = plain(value)
    try:
        encoded = msgspec.msgpack.encode([field, key, content], order="deterministic", enc_hook=str)
    except (OverflowError, TypeError, ValueError):  # a huge integer or a lone surrogate, stored raw by a tool
        encoded = official_text([field, key, content]).encode()
    return int.from_bytes(hashlib.sha256(encoded).digest(), "big")


def official_text(content: Any) -> str:
    """Return the canonical JSON text for the official hash (spec/environment.md, 5)."""
    return json.dumps(content, sort_keys=True, default=str)
