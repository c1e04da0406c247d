"""The difference between two worlds: exactly the paths that differ."""

from __future__ import annotations

import json
import math
from datetime import date
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tau2_core import Database, Record
from tau2_core.state.difference import ABSENT, Change, Path, value_changes, world_changes
from tau2_core.state.view import View
from tau2_core.state.world import Base, World


class Row(Record):
    data: Any = None


class Box(Database):
    rows: dict[str, Row]
    notes: list[Any]


class Colour(StrEnum):
    RED = "red"


BASE = Base(Box.model_validate({"rows": {key: {"data": {"x": [1, 2], "y": key}} for key in "abc"}, "notes": [0]}))
KEYS = st.sampled_from(["a", "b", "c", "d"])
LEAVES = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from([0.0, -0.0, 1.0, math.nan, "", "1", "null"])
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
CONTENTS = st.tuples(st.dictionaries(KEYS, VALUES, max_size=4), st.lists(VALUES, max_size=3))
Content = tuple[dict[str, Any], list[Any]]


def world_of(content: Content) -> World:
    world = World(BASE)
    view: Any = View(world, writing=True)
    rows, notes = content
    for key in BASE.fields["rows"]:
        if key not in rows:
            del view.rows[key]
    for key, data in rows.items():
        view.rows[key] = Row(data=data)
    view.notes = list(notes)
    return world


def dump_of(content: Content) -> dict[str, Any]:
    dump = {"rows": {key: {"data": data} for key, data in content[0].items()}, "notes": content[1]}
    copied: dict[str, Any] = json.loads(json.dumps(dump))
    return copied


def text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def at(dump: Any, path: Path) -> Any:
    """Return the value at a path, ABSENT if there is none."""
    for part in path:
        if not (part in dump if isinstance(dump, dict) else isinstance(part, int) and part < len(dump)):
            return ABSENT
        dump = dump[part]
    return dump


def apply(dump: Any, changes: list[Change]) -> Any:
    """Return the dump with the changes applied; removals go from last to first, so that indices stay valid."""
    gone = [change for change in changes if change.new is ABSENT]
    for change in [*(change for change in changes if change.new is not ABSENT), *reversed(gone)]:
        *place, last = change.path
        parent = at(dump, tuple(place))
        if change.new is ABSENT:
            del parent[last]
        elif isinstance(parent, list) and change.old is ABSENT:
            parent.append(change.new)
        else:
            parent[last] = change.new
    return dump


@given(CONTENTS, CONTENTS)
def test_applying_the_changes_to_the_old_state_gives_the_new_one(first: Content, second: Content) -> None:
    changes = world_changes(world_of(first), world_of(second))
    assert text(apply(dump_of(first), changes)) == text(dump_of(second))


@given(CONTENTS, CONTENTS)
def test_every_listed_path_differs_and_is_listed_once(first: Content, second: Content) -> None:
    changes = world_changes(world_of(first), world_of(second))
    assert len({change.path for change in changes}) == len(changes)
    for change in changes:
        old, new = at(dump_of(first), change.path), at(dump_of(second), change.path)
        assert (text(change.old), text(change.new)) == (text(old), text(new)) if ABSENT not in (old, new) else True
        assert (change.old is ABSENT, change.new is ABSENT) == (old is ABSENT, new is ABSENT)
        assert ABSENT in (old, new) or text(old) != text(new)
        assert not (isinstance(old, dict) and isinstance(new, dict))
        assert not (isinstance(old, list) and isinstance(new, list))


@given(CONTENTS, CONTENTS)
def test_the_reverse_difference_swaps_old_and_new(first: Content, second: Content) -> None:
    there, back = world_changes(world_of(first), world_of(second)), world_changes(world_of(second), world_of(first))
    assert {str(change) for change in there} == {str(Change(change.path, change.new, change.old)) for change in back}


def test_paths_are_written_like_code() -> None:
    old = world_of(({"a": {"x": [1, {"y": 2}]}, "b": 0}, [0]))
    new = world_of(({"a": {"x": [1, {"y": 3}]}, "c": 0}, [0, 1]))
    assert [str(change) for change in world_changes(old, new)] == [
        "notes[1]: (absent) → 1",
        "rows.a.data.x[1].y: 2 → 3",
        "rows.b: {'data': 0} → (absent)",
        "rows.c: (absent) → {'data': 0}",
    ]


def test_json_omits_the_side_without_the_path() -> None:
    changes = [*value_changes({"gone": None, "kept": 1}, {"kept": None, "come": None})]
    assert [change.as_json() for change in changes] == [
        {"path": "gone", "old": None},
        {"path": "kept", "old": 1, "new": None},
        {"path": "come", "new": None},
    ]


@pytest.mark.parametrize(
    ("first", "second"), [((1, (2,)), [1, [2]]), (Colour.RED, "red"), (date(2025, 1, 2), "2025-01-02"), (math.nan,) * 2]
)
def test_values_with_equal_official_hashes_do_not_differ(first: Any, second: Any) -> None:
    one, other = world_of(({"a": first, "b": [first]}, [0])), world_of(({"a": second, "b": [second]}, [1]))
    assert [change.path for change in world_changes(one, other)] == [("notes", 0)]
    View(other, writing=True).notes[0] = 0
    assert (one.digest(), one.official_hash()) == (other.digest(), other.official_hash())


def test_an_absent_value_differs_from_the_text_absent() -> None:
    assert [change.path for change in value_changes({"k": repr(ABSENT)}, {})] == [("k",)]


def test_worlds_of_different_databases_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="same database"):
        world_changes(World(BASE), World(Base(Box(rows={}, notes=[]))))
