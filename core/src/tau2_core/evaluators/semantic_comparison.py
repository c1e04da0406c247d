"""Semantic comparison of database content: 25 equals 25.0, and declared parts are unordered lists or ignored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from tau2_core.state.difference import Change, content_at, path_text, unit_path, value_changes
from tau2_core.state.world import World


@dataclass(frozen=True)
class ComparisonRules:
    """Path patterns such as `reservations.*.passengers` for a comparison by meaning.

    `unordered` lists are compared as multisets; `ignored` parts are not compared at all.
    """

    unordered: Sequence[str] = ()
    ignored: Sequence[str] = ()


def semantic_differences(expected: World, actual: World, meaning: ComparisonRules) -> list[Change]:
    """Return where two worlds of the same base differ in meaning. The cost depends on what they changed."""
    old, new = expected.touched(), actual.touched()
    found: list[Change] = []
    for unit in sorted(old.keys() | new.keys(), key=lambda unit: (unit[0], unit[1] or "")):
        path = unit_path(unit)
        before = normalised(content_at(expected, unit, old), path, meaning)
        after = normalised(content_at(actual, unit, new), path, meaning)
        found += value_changes(before, after, path)
    return [change for change in found if not _matches(change.path, meaning.ignored)]


def normalised(value: Any, path: tuple[str | int, ...], meaning: ComparisonRules) -> Any:
    """Return the canonical form of a plain value, which is the same for equal meanings."""
    if isinstance(value, float):
        rounded = round(value, 6)
        return int(rounded) if abs(rounded) < 2**53 and rounded.is_integer() else rounded
    if isinstance(value, dict):
        return {key: normalised(value[key], (*path, key), meaning) for key in sorted(value)}
    if isinstance(value, list):
        items = [normalised(item, (*path, index), meaning) for index, item in enumerate(value)]
        if _matches(path, meaning.unordered):
            items.sort(key=lambda item: json.dumps(item, default=str))
        return items
    return value


def _matches(path: tuple[str | int, ...], patterns: Sequence[str]) -> bool:
    text = path_text(path)
    return any(fnmatchcase(text, pattern) or fnmatchcase(text, f"{pattern}[[.]*") for pattern in patterns)
