"""Merging a task's initial data, compared with the rule itself: dump everything, merge, validate everything."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ConfigDict, Field, ValidationError
from tau2_core import Database, Record
from tau2_core.state.merge import merge_data
from tau2_core.state.records import plain
from tau2_core.state.view import View
from tau2_core.state.world import Base, World


class Free(Record):
    status: Literal["free"]
    seats: dict[str, int]


class Gone(Record):
    status: Literal["gone"]


class Flight(Record):
    number: str
    seats: int
    fare: float = 0.5
    stops: list[str]
    dates: dict[str, Annotated[Free | Gone, Field(discriminator="status")]]
    note: str | None = None


class Notice(Record):
    model_config = ConfigDict(extra="forbid")

    text: str
    read: bool = False


class Desk(Database):
    flights: dict[str, Flight]
    notices: dict[str, Notice]
    counts: dict[str, int]
    settings: dict[int, str]
    open: bool
    tags: list[str]
    chief: Notice | None = None


CONTENT: dict[str, Any] = {
    "flights": {
        "F1": {"number": "F1", "seats": 3, "stops": ["A", "B"], "dates": {"d": {"status": "free", "seats": {"x": 1}}}},
        "F2": {"number": "F2", "seats": 4, "stops": [], "dates": {}, "note": "n"},
    },
    "notices": {"N1": {"text": "t"}},
    "counts": {"one": 1},
    "settings": {1: "a"},
    "open": True,
    "tags": ["x"],
}
REFUSED = "field|Field|Input|Extra|valid|keys"
BASE = Base(Desk.model_validate(CONTENT))
SCALARS = st.none() | st.booleans() | st.integers(-1, 2) | st.sampled_from(["3", "x", "5.", 2.0, 2.5, "free", "gone"])
ANYTHING = (
    SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.sampled_from(["text", "x"]), SCALARS, max_size=2)
)
DATES = st.fixed_dictionaries(
    {}, optional={"status": st.sampled_from(["free", "gone"]), "seats": st.dictionaries(st.just("y"), SCALARS)}
)
FLIGHTS = st.fixed_dictionaries(
    {},
    optional={
        "number": st.text(max_size=1),
        "seats": st.integers() | SCALARS,
        "stops": st.lists(st.text(max_size=1), max_size=2),
        "dates": st.dictionaries(st.sampled_from(["d", "e"]), DATES | ANYTHING, max_size=2),
        "note": st.none() | st.text(max_size=1),
        "unknown": SCALARS,
    },
)
WHOLE_FLIGHT = st.just({"number": "F", "seats": "7", "stops": [], "dates": {}})
NOTICES = st.fixed_dictionaries({}, optional={"text": st.text(max_size=1), "read": SCALARS}) | ANYTHING
PATCHES = st.fixed_dictionaries(
    {},
    optional={
        "flights": st.dictionaries(st.sampled_from(["F1", "F2", "F3"]), FLIGHTS | WHOLE_FLIGHT, max_size=2) | ANYTHING,
        "notices": st.dictionaries(st.sampled_from(["N1", "N2"]), NOTICES, max_size=2) | ANYTHING,
        "counts": st.dictionaries(st.sampled_from(["one", "two"]), st.integers(0, 3) | SCALARS, max_size=2),
        "settings": st.dictionaries(st.sampled_from([1, 2, "1", "3"]), st.text(max_size=1), max_size=2),
        "open": SCALARS,
        "tags": st.lists(st.text(max_size=1), max_size=2) | ANYTHING,
        "chief": NOTICES,
    },
)


def merged(old: Any, new: Any) -> Any:
    """The rule as worded in spec/environment.md, 8."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    result = dict(old)
    for key, value in new.items():
        result[key] = merged(old[key], value) if key in old else value
    return result


def content(world: World) -> str:
    view: Any = View(world, writing=False)
    return json.dumps({name: plain(getattr(view, name)) for name in Desk.model_fields})


@given(st.lists(PATCHES, min_size=1, max_size=3))
def test_a_merge_equals_dumping_merging_and_validating_everything(patches: list[Any]) -> None:
    world, database = World(BASE), Desk.model_validate(CONTENT)
    for patch in patches:
        try:
            database = Desk.model_validate(merged(database.model_dump(), patch))
        except ValidationError:
            with pytest.raises(ValueError, match=REFUSED):
                merge_data(world, patch)
        else:
            merge_data(world, patch)
        assert content(world) == json.dumps(database.model_dump())
    text = json.dumps(database.model_dump(), sort_keys=True)
    assert world.official_hash() == hashlib.sha256(text.encode()).hexdigest()


@given(PATCHES)
def test_merged_values_are_not_shared_with_the_task(patch: dict[str, Any]) -> None:
    world = World(BASE)
    before = json.dumps(patch)
    try:
        merge_data(world, patch)
    except ValueError:
        return
    view: Any = View(world, writing=True)
    view.tags.append("z")
    for flight in view.flights.values():
        flight.stops.append("z")
        flight.dates.clear()
    assert json.dumps(patch) == before


@pytest.mark.parametrize("data", [None, {}, {"flights": {}}, {"flights": {"F1": {}}}, {"chief": None}])
def test_an_empty_merge_changes_nothing(data: dict[str, Any] | None) -> None:
    world = World(BASE)
    merge_data(world, data)
    assert world.digest() == World(BASE).digest()
    assert world.official_hash() == World(BASE).official_hash()


@pytest.mark.parametrize(
    "patch",
    [
        {"tags": ["new"], "flights": {"F1": {"seats": "many"}}},
        {"flights": {"F1": {"seats": 9}, "F3": {"number": "F3"}}},
        {"flights": {"F1": {"seats": 9}}, "unknown": {}},
        {"counts": {"two": 2}, "notices": {"N1": {"colour": "red"}}},
        {"counts": {"two": 2}, "flights": None},
        {"counts": {"two": 2, 3: 3}},
    ],
)
def test_a_failed_merge_changes_nothing(patch: dict[str, Any]) -> None:
    world = World(BASE)
    with pytest.raises(ValueError, match=REFUSED):
        merge_data(world, patch)
    assert world.digest() == World(BASE).digest()


def test_a_union_member_is_retyped_without_the_old_types_fields() -> None:
    world = World(BASE)
    merge_data(world, {"flights": {"F1": {"dates": {"d": {"status": "gone"}}}}})
    flights: Any = View(world, writing=False).flights
    assert plain(flights["F1"].dates) == {"d": {"status": "gone"}}


def test_new_records_come_after_the_old_ones_and_changed_ones_keep_their_place() -> None:
    world = World(BASE)
    row = {"number": "F0", "seats": 1, "stops": [], "dates": {}}
    merge_data(world, {"flights": {"F0": row, "F1": {"note": "changed"}}})
    assert list(View(world, writing=False).flights) == ["F1", "F2", "F0"]


def test_a_merge_does_not_affect_other_worlds() -> None:
    mine, other = World(BASE), World(BASE)
    merge_data(mine, {"flights": {"F1": {"seats": 9}}, "tags": []})
    assert other.digest() == World(BASE).digest() != mine.digest()
