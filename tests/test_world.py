"""A world against a plain, private copy of the same database: whatever a handler does, both must come to the same."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from tau2_core.state.difference import world_changes
from tau2_core.state.view import View
from tau2_core.state.world import World

from tests.plain_database import BASE, CALLS, OPERATIONS, STEPS, Pair, Steps, canonical


@given(STEPS)
def test_content_and_order_are_those_of_a_plain_database(steps: Steps) -> None:
    pair = Pair()
    pair.take(steps)
    assert canonical(pair.content()) == canonical(pair.plain)


@given(CALLS)
def test_rolling_back_a_call_undoes_only_that_call(steps: Steps) -> None:
    pair = Pair()
    pair.take(steps)
    assert canonical(pair.content()) == canonical(pair.plain)
    text = json.dumps(pair.dump(), sort_keys=True, default=str)
    assert pair.world.official_hash() == hashlib.sha256(text.encode()).hexdigest()
    assert json.dumps(pair.world.plain(), sort_keys=True, default=str) == text


@pytest.mark.parametrize("first", OPERATIONS)
def test_rolling_back_a_second_call_keeps_the_first(first: str) -> None:
    for second in OPERATIONS:
        pair = Pair()
        pair.take([("begin", "", 0), (first, "a", 1), ("commit", "", 0)])
        pair.take([("begin", "", 0), (second, "a", 2), (second, "d", 3), ("rollback", "", 0)])
        assert canonical(pair.content()) == canonical(pair.plain), second


def test_a_worlds_record_is_complete() -> None:
    shared, own = BASE.fields["items"]["b"], View(World(BASE), writing=True).items["b"]
    assert own == shared
    assert own.model_copy(update={"count": 2}).count == 2
    assert own.model_dump(exclude_unset=True) == shared.model_dump(exclude_unset=True)


def test_a_field_may_be_set_to_another_worlds_table() -> None:
    first, second = World(BASE), World(BASE)
    source: Any = View(first, writing=True)
    source.items["a"].note = "changed"
    del source.items["b"]
    target: Any = View(second, writing=True)
    target.items = source.items
    assert world_changes(first, second) == []
    assert list(target.items) == list(source.items) == ["a", "c"]
    source.items["a"].note = "changed again"
    target.items["c"].count = 9
    assert target.items["a"].note == "changed"
    assert source.items["c"].count != 9


@pytest.mark.parametrize("writing", [False, True])
@pytest.mark.parametrize("how", ["update", "|="])
def test_entries_taken_from_another_worlds_table_are_copies(how: str, *, writing: bool) -> None:
    first, second = World(BASE), World(BASE)
    View(first, writing=True).items["a"].note = "changed"
    source: Any = View(first, writing=writing).items
    target: Any = View(second, writing=True)
    if how == "update":
        target.items.update(source, d=source["a"].model_copy())
    else:
        target.items |= source
    target.items["a"].note = "mine"
    assert source["a"].note == "changed"
    assert list(target.items)[:3] == ["a", "b", "c"]


@given(STEPS)
def test_length_and_membership_are_those_of_a_plain_database(steps: Steps) -> None:
    pair = Pair()
    pair.take(steps)
    for writing in (False, True):
        table: Any = View(pair.world, writing=writing).items
        assert (len(table), bool(table)) == (len(pair.plain.items), bool(pair.plain.items))
        assert {key for key in ("a", "b", "c", "d", "e", "") if key in table} == set(pair.plain.items)
        assert repr(table) == repr(dict(table))


@given(STEPS)
def test_official_hash_is_the_hash_of_the_whole_dump(steps: Steps) -> None:
    pair = Pair()
    pair.take(steps)
    text = json.dumps(pair.dump(), sort_keys=True, default=str)
    assert pair.world.official_hash() == hashlib.sha256(text.encode()).hexdigest()


@given(STEPS)
def test_digest_depends_on_content_alone_not_on_history(steps: Steps) -> None:
    pair = Pair()
    pair.take(steps)
    rebuilt = World(BASE)
    view: Any = View(rebuilt, writing=True)
    for name, value in reversed(list(pair.plain.model_copy(deep=True))):
        setattr(view, name, dict(reversed(value.items())) if isinstance(value, dict) else value)
    assert rebuilt.digest() == pair.world.digest()
    assert world_changes(rebuilt, pair.world) == []


@given(STEPS, STEPS)
def test_digests_and_official_hashes_are_equal_in_the_same_cases(first: Steps, second: Steps) -> None:
    one, other = Pair(), Pair()
    one.take(first)
    other.take(second)
    same = canonical(sorted_deep(one.dump())) == canonical(sorted_deep(other.dump()))
    assert (one.world.digest() == other.world.digest()) is same
    assert (one.world.official_hash() == other.world.official_hash()) is same
    assert (world_changes(one.world, other.world) == []) is same


def sorted_deep(value: Any) -> Any:
    return json.loads(json.dumps(value, sort_keys=True, default=str))


@given(STEPS)
def test_the_base_never_changes(steps: Steps) -> None:
    before = canonical([value for _, value in BASE.units()])
    Pair().take(steps)
    assert canonical([value for _, value in BASE.units()]) == before


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -0.0, 10**400, "\ud800", {"\udfff": ["\ud800"]}, "\x00", -(2**63)]
)
def test_unusual_values_are_kept_and_hashed_like_the_official_dump(value: Any) -> None:
    pair = Pair()
    pair.take([("begin", "", 0), ("flag", "a", value), ("set note", "a", value), ("commit", "", 0)])
    other = Pair()
    other.take([("set note", "a", value), ("flag", "a", value)])
    text = json.dumps(pair.dump(), sort_keys=True, default=str)
    assert pair.world.official_hash() == hashlib.sha256(text.encode()).hexdigest()
    assert pair.world.digest() == other.world.digest()
    assert world_changes(pair.world, other.world) == []
    assert canonical(pair.content()["flag"]) == canonical(value)


@pytest.mark.parametrize("inside", [lambda value: value, lambda value: [value], lambda value: {"k": value}])
def test_kinds_of_equal_values_are_distinguished(inside: Callable[[Any], Any]) -> None:
    worlds = []
    values: list[Any] = [1, 1.0, True, "1", 0, 0.0, -0.0, False, None, "", "null", [], {}]
    for value in values:
        pair = Pair()
        pair.take([("flag", "a", inside(value))])
        worlds.append(pair.world)
    assert len({world.digest() for world in worlds}) == len(worlds)
    assert len({world.official_hash() for world in worlds}) == len(worlds)
    assert all(world_changes(first, second) for first, second in pairwise(worlds))
