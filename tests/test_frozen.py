"""The base that all worlds share: it refuses every change, and gives each world private copies."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, PrivateAttr
from tau2_core import Database, Record, reading
from tau2_core.packs.databases import DataError, load_base
from tau2_core.state.records import FrozenRecordError, freeze, plain
from tau2_core.state.shared_values import UnshareableError
from tau2_core.state.view import View
from tau2_core.state.world import Base, World


class Leaf(Record):
    name: str


class Row(Record):
    name: str
    tags: list[str]
    prices: dict[str, float]
    leaves: list[Leaf]
    pair: tuple[int, Leaf, list[int]]


class Shelf(Database):
    rows: dict[str, Row]
    notes: list[Any]


class Loose(BaseModel):
    x: int = 0


@dataclass
class Point:
    x: int = 0


ROW = {"name": "r", "tags": ["x"], "prices": {"p": 1.0}, "leaves": [{"name": "l"}], "pair": [1, {"name": "t"}, [1]]}
LIST_CHANGES = sorted(set(dir(list)) - set(dir(tuple)) - {"copy", "__reversed__"})
DICT_CHANGES = sorted(set(dir(dict)) - set(dir(MappingProxyType)) - {"fromkeys"} | {"__ior__"})
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "__delitem__": (0,),
    "__iadd__": ([1],),
    "__imul__": (2,),
    "__setitem__": (0, "z"),
    "append": ("z",),
    "extend": (["z"],),
    "insert": (0, "z"),
    "remove": ("x",),
    "setdefault": ("z", 1),
    "update": ({"z": 1},),
    "__ior__": ({"z": 1},),
}


@pytest.fixture
def base() -> Base:
    return Base(Shelf.model_validate({"rows": {"r": ROW, "s": ROW | {"name": "s"}}, "notes": [[1], {"k": [2]}]}))


def contents(world: World) -> dict[str, Any]:
    view: Any = View(world, writing=False)
    return {"rows": plain(dict(view.rows.items())), "notes": plain(view.notes)}


def everything(view: Any) -> list[Any]:
    """Return every record, list and dict below a view, however deep."""
    found: list[Any] = []
    pending: list[Any] = [view.rows, view.notes]
    while pending:
        value = pending.pop()
        if isinstance(value, Record):
            pending += vars(value).values()
        elif isinstance(value, Mapping):
            pending += value.values()
        elif isinstance(value, list | tuple):
            pending += value
        else:
            continue
        found.append(value)
    return found


def test_the_lists_of_changing_methods_are_not_empty() -> None:
    assert {"append", "sort", "__setitem__", "__iadd__"} <= set(LIST_CHANGES)
    assert {"pop", "update", "__setitem__", "__ior__"} <= set(DICT_CHANGES)


@pytest.mark.parametrize("method", LIST_CHANGES)
def test_every_shared_list_refuses_every_method_that_changes_one(base: Base, method: str) -> None:
    lists = [value for value in everything(View(World(base), writing=False)) if isinstance(value, list)]
    assert len(lists) == 9
    for value in lists:
        before = list(value)
        with pytest.raises(FrozenRecordError, match="this list is shared by all worlds"):
            getattr(value, method)(*ARGUMENTS.get(method, ()))
        assert value == before


@pytest.mark.parametrize("method", DICT_CHANGES)
def test_every_shared_dict_refuses_every_method_that_changes_one(base: Base, method: str) -> None:
    dicts = [value for value in everything(View(World(base), writing=False)) if isinstance(value, dict)]
    assert len(dicts) == 4
    for value in dicts:
        before = dict(value)
        with pytest.raises(FrozenRecordError, match="this dict is shared by all worlds"):
            getattr(value, method)(*ARGUMENTS.get(method, ()))
        assert value == before


def test_every_shared_record_refuses_assignment_and_says_what_to_do(base: Base) -> None:
    records = [value for value in everything(View(World(base), writing=False)) if isinstance(value, Record)]
    assert len(records) == 6
    for record in records:
        with pytest.raises(FrozenRecordError, match=f"this {type(record).__name__} is shared.*`kind: write`"):
            record.name = "changed"
        with pytest.raises(TypeError, match="cannot be deleted"):
            del record.name  # type: ignore[attr-defined]


def test_a_view_for_reading_refuses_to_set_a_field(base: Base) -> None:
    view: Any = View(World(base), writing=False)
    with pytest.raises(TypeError, match=r"`rows` cannot be set.*`kind: write`"):
        view.rows = {}


@pytest.mark.parametrize("writing", [False, True])
def test_a_view_names_the_database_and_the_field_that_it_lacks(base: Base, writing: bool) -> None:
    view: Any = View(World(base), writing=writing)
    with pytest.raises(AttributeError, match="Shelf has no field 'row'"):
        _ = view.row
    if writing:
        with pytest.raises(AttributeError, match="Shelf has no field 'row'"):
            view.row = 1


def test_a_record_names_the_field_that_it_lacks() -> None:
    with pytest.raises(AttributeError, match="Leaf has no field 'nam'"):
        Leaf(name="l").nam = "m"


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies_of_shared_lists_and_dicts_are_ordinary(base: Base, copied: Callable[[Any], Any]) -> None:
    row = View(World(base), writing=False).rows["r"]
    tags, prices = copied(row.tags), copied(row.prices)
    tags.append("new")
    prices["new"] = 2.0
    assert (tags, prices) == (["x", "new"], {"p": 1.0, "new": 2.0})
    assert (row.tags, row.prices) == (["x"], {"p": 1.0})


def test_a_writer_changes_everything_at_any_depth_and_no_other_world_sees_it(base: Base) -> None:
    mine, other = World(base), World(base)
    before = contents(other)
    view: Any = View(mine, writing=True)
    row = view.rows["r"]
    row.tags.append("z")
    row.prices["z"] = 1.0
    row.leaves[0].name = row.pair[1].name = "z"
    row.pair[2].append(2)
    view.notes[0].append(2)
    view.notes[1]["k"].append(3)
    assert contents(other) == before
    changed = {"tags": ["x", "z"], "prices": {"p": 1.0, "z": 1.0}, "leaves": [{"name": "z"}]}
    assert contents(mine)["rows"]["r"] == ROW | changed | {"pair": (1, {"name": "z"}, [1, 2])}
    assert contents(mine)["rows"]["s"] == before["rows"]["s"]
    assert contents(mine)["notes"] == [[1, 2], {"k": [2, 3]}]


def test_shared_records_are_stored_as_copies(base: Base) -> None:
    mine, other = World(base), World(base)
    view: Any = View(mine, writing=True)
    view.rows["copy"] = reading(view).rows["r"]
    view.notes = reading(view).notes
    view.rows["copy"].tags.append("z")
    view.notes.append("z")
    assert (view.rows["r"].tags, view.rows["copy"].tags) == (["x"], ["x", "z"])
    assert contents(other)["notes"] == [[1], {"k": [2]}]


def test_reading_a_plain_database_is_the_database() -> None:
    shelf = Shelf(rows={}, notes=[])
    assert reading(shelf) is shelf


@pytest.mark.parametrize("value", [{1}, bytearray(b"x"), Loose(), Point(), (1, {2}), [{"k": {3}}]])
def test_values_that_cannot_be_made_read_only_are_refused_with_their_location(value: Any) -> None:
    with pytest.raises(UnshareableError, match=r"Shelf\.notes holds a \w+, which all worlds would share"):
        freeze(Shelf(rows={}, notes=[value]))


def test_a_database_file_with_such_a_value_is_refused_before_a_world_is_made(tmp_path: Path) -> None:
    class Tagged(Database):
        tags: set[str]

    file = tmp_path / "db.json"
    file.write_text('{"tags": ["x"]}')
    with pytest.raises(DataError, match=r"Tagged\.tags holds a set"):
        load_base(Tagged, file)


def test_a_record_with_undeclared_fields_cannot_be_defined() -> None:
    with pytest.raises(TypeError, match="Open should have declared fields only"):

        class Open(Record):
            model_config = ConfigDict(extra="allow")

    with pytest.raises(TypeError, match="Secret should have declared fields only"):

        class Secret(Record):
            _hidden: int = PrivateAttr(default=0)
