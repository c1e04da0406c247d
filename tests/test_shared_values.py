"""Values of a shared base other than records: each is deeply frozen, copied for a world, or refused because of its
type."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel, ConfigDict, PrivateAttr
from tau2_core import Database, Record
from tau2_core.state.shared_values import UnshareableError
from tau2_core.state.view import View
from tau2_core.state.world import Base, World


@dataclass(frozen=True)
class Address:
    lines: list[str]


@dataclass(frozen=True, slots=True)
class Slotted:
    address: Address
    marks: dict[str, list[int]]


class Plain(BaseModel, frozen=True):
    lines: list[str]


class Spot(NamedTuple):
    x: int
    tags: list[str]


class Colour(enum.Enum):
    RED = "red"
    MIXED = (1, frozenset({"red"}))


class Holder(Record):
    value: Any


class DB(Database):
    rows: dict[str, Holder]


HOLDERS: dict[str, Any] = {
    "a frozen dataclass": (lambda: Address(["a"]), lambda value: value.lines),
    "a slotted one with another inside": (lambda: Slotted(Address(["a"]), {}), lambda value: value.address.lines),
    "a frozen model": (lambda: Plain(lines=["a"]), lambda value: value.lines),
    "a named tuple": (lambda: Spot(1, ["a"]), lambda value: value.tags),
    "a tuple of named tuples": (lambda: (Spot(1, ["a"]),), lambda value: value[0].tags),
    "a list of frozen models": (lambda: [Plain(lines=["a"])], lambda value: value[0].lines),
}


def base_of(value: Any) -> Base:
    return Base(DB.model_construct(rows={"r": Holder.model_construct(value=value)}))


@pytest.mark.parametrize("what", HOLDERS)
def test_a_holder_is_read_only_while_shared_and_private_once_written_to(what: str) -> None:
    make, list_in = HOLDERS[what]
    base = base_of(make())
    first, second = World(base), World(base)
    with pytest.raises(TypeError, match="shared by all worlds"):
        list_in(View(first, writing=False).rows["r"].value).append("mine")
    own = View(first, writing=True).rows["r"].value
    list_in(own).append("mine")
    assert type(own) is type(make())
    assert list_in(own) == ["a", "mine"]
    assert list_in(View(second, writing=True).rows["r"].value) == ["a"]
    assert first.digest() != second.digest() == World(base_of(make())).digest()


class Custom:
    def __init__(self) -> None:
        self.lines = ["a"]


@dataclass(eq=False)
class Changing:
    lines: list[str] = field(default_factory=list)


class Private(BaseModel, frozen=True):
    _lines: list[str] = PrivateAttr(default_factory=list)


class Extra(BaseModel, frozen=True):
    model_config = ConfigDict(extra="allow")


@dataclass(frozen=True)
class Caching:
    n: int

    @cached_property
    def lines(self) -> list[str]:
        return ["a"]


class Mutable(enum.Enum):
    LINES = ["a"]  # noqa: RUF012 - what is refused
    PAIR = (1, ["a"])


class Text(str):
    pass


def text_with_a_list() -> Text:
    text = Text("a")
    text.lines = ["a"]  # type: ignore[attr-defined]
    return text


@pytest.mark.parametrize(
    "value",
    [
        Custom(),
        Changing(),
        Private(),
        Extra(x=[1]),  # type: ignore[call-arg]
        Caching(1),
        Mutable.LINES,
        Mutable.PAIR,
        text_with_a_list(),
        {1, 2},
        bytearray(b"a"),
        memoryview(bytearray(b"a")),
        lambda: None,
        iter([1]),
        frozenset({Custom()}),
        (1, [Custom()]),
        {Custom(): 1},
    ],
)
def test_values_that_cannot_be_frozen_are_refused_with_type_and_field(value: Any) -> None:
    with pytest.raises(UnshareableError, match=r"Holder\.value holds a \w+") as caught:
        base_of(value)
    assert "all worlds would share" in str(caught.value)


@pytest.mark.parametrize("value", [date(2025, 1, 1), Decimal(1), *Colour, frozenset({1}), b"a", Text("a"), (1, "a")])
def test_immutable_values_are_shared(value: Any) -> None:
    base = base_of(value)
    assert View(World(base), writing=True).rows["r"].value == value


def test_a_set_that_a_handler_stores_is_private_to_its_world_and_rolled_back() -> None:
    world = World(base_of(["a"]))
    view: Any = View(world, writing=True)
    view.rows["r"].value = {1}
    world.begin()
    view.rows["r"].value.add(2)
    world.rollback()
    assert view.rows["r"].value == {1}


def test_a_record_that_caches_results_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Lazy\.lines caches its result"):

        class Lazy(Record):
            n: int

            @cached_property
            def lines(self) -> list[str]:
                return []


class Defaults(Record):
    address: Address = Address(["a"])
    pair: tuple[int, list[str]] = (1, ["a"])
    plain: Plain = Plain(lines=["a"])


@pytest.mark.parametrize("lines", [lambda r: r.address.lines, lambda r: r.pair[1], lambda r: r.plain.lines])
def test_a_default_is_copied_for_each_record(lines: Any) -> None:
    lines(Defaults()).append("mine")
    assert lines(Defaults()) == ["a"]
