"""A world beside a plain, private copy of the same database, and what handlers may do to both."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Annotated, Any, Literal

from hypothesis import strategies as st
from pydantic import Field
from tau2_core import Database, Record, reading
from tau2_core.state.records import plain
from tau2_core.state.view import View
from tau2_core.state.world import Base, World


class Part(Record):
    name: str
    sizes: list[int] = Field(default_factory=list)


class Card(Record):
    source: Literal["card"]
    digits: str


class Gift(Record):
    source: Literal["gift"]
    amount: float


class Item(Record):
    name: str
    count: int = 0
    tags: list[str] = Field(default_factory=list)
    prices: dict[str, float] = Field(default_factory=dict)
    pay: dict[str, Annotated[Card | Gift, Field(discriminator="source")]] = Field(default_factory=dict)
    parts: list[Part] = Field(default_factory=list)
    note: Any = None


class Meta(Record):
    title: str
    counters: dict[str, int] = Field(default_factory=dict)
    part: Part


class Shop(Database):
    items: dict[str, Item]
    counts: dict[str, int]
    slots: dict[int, Any] = Field(default_factory=dict)  # not a table, whose keys are strings
    log: list[Any]
    meta: Meta
    flag: Any = None


def shop() -> Shop:
    gift, card = {"source": "gift", "amount": 5.0}, {"source": "card", "digits": "12"}
    parts = [{"name": "p", "sizes": [1, 2]}, {"name": "q"}]
    item = {"name": "A", "tags": ["t", "s"], "prices": {"x": 1.0}, "pay": {"g": gift, "c": card}, "parts": parts}
    items = {"a": item, "b": {"name": "B", "note": {"deep": [1, {"k": []}]}}, "c": {"name": "C", "count": 3}}
    meta = {"title": "m", "counters": {"n": 1}, "part": {"name": "r"}}
    return Shop.model_validate({"items": items, "counts": {"one": 1, "two": 2}, "log": ["x", {"y": [1]}], "meta": meta})


BASE = Base(shop())
KEYS = st.sampled_from(["a", "b", "c", "d", "e", ""])
TEXTS = st.text(st.characters(), max_size=4) | st.sampled_from(["\ud800", "é", "\U0001f600"])
NUMBERS = st.integers(-3, 3) | st.sampled_from([0.0, -0.0, 1.0, math.nan, math.inf, 10**30]) | st.booleans()
VALUES = st.recursive(
    st.none() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


def replace_item_and_change_it(db: Any, key: str, value: Any) -> None:
    item = db.items[key] = Item(name="new", parts=[Part(name="p")])
    item.note = value
    item.parts[0].sizes.append(7)


def replace_meta_and_change_it(db: Any, key: str, value: Any) -> None:
    meta = db.meta = Meta(title=key, part=Part(name="z"))
    meta.counters[key] = value


def replace_log_and_change_it(db: Any, key: str, value: Any) -> None:
    log = db.log = [key]
    log.append(value)


def replace_items(db: Any, key: str, value: Any) -> None:
    db.items = {"e": Item(name="e", note=value), key: Item(name=key)}


def loop_and_change(db: Any, key: str, value: Any) -> None:
    for item in db.items.values():
        item.note = value


def delete_while_looping_over_a_copy(db: Any, key: str, value: Any) -> None:
    for name, item in list(db.items.items()):
        if item.note == value or name == key:
            del db.items[name]


def add_in_place(db: Any, key: str, value: Any) -> None:
    db.counts |= {key: value}


def change_half_and_fail(db: Any, key: str, value: Any) -> None:
    db.items["a"].tags.append("half")
    db.log.append(value)
    raise LookupError(key)


OPERATIONS: dict[str, Callable[[Any, str, Any], object]] = {
    "replace item": replace_item_and_change_it,
    "replace meta": replace_meta_and_change_it,
    "replace log": replace_log_and_change_it,
    "replace items": replace_items,
    "reorder items": lambda db, key, value: setattr(db, "items", dict(sorted(db.items.items(), reverse=True))),
    "replace items with themselves": lambda db, key, value: setattr(db, "items", reading(db).items),
    "loop": loop_and_change,
    "loop and delete": delete_while_looping_over_a_copy,
    "fail": change_half_and_fail,
    "delete": lambda db, key, value: db.items.__delitem__(key),
    "pop": lambda db, key, value: db.items.pop(key),
    "pop or default": lambda db, key, value: db.items.pop(key, None),
    "popitem": lambda db, key, value: db.items.popitem(),
    "setdefault": lambda db, key, value: setattr(db.items.setdefault(key, Item(name="d")), "note", value),
    "update": lambda db, key, value: db.items.update({key: Item(name="u", note=value)}),
    "in place or": add_in_place,
    "clear": lambda db, key, value: db.items.clear(),
    "rename": lambda db, key, value: db.items.__setitem__("d", db.items.pop(key)),
    "set note": lambda db, key, value: setattr(db.items[key], "note", value),
    "set count raw": lambda db, key, value: setattr(db.items[key], "count", value),
    "set tags raw": lambda db, key, value: setattr(db.items[key], "tags", value),
    "append tag": lambda db, key, value: db.items[key].tags.append(value),
    "sort tags": lambda db, key, value: db.items[key].tags.sort(),
    "set price": lambda db, key, value: db.items[key].prices.__setitem__("x", value),
    "delete price": lambda db, key, value: db.items[key].prices.__delitem__("x"),
    "retype pay": lambda db, key, value: db.items[key].pay.__setitem__("c", Gift(source="gift", amount=1)),
    "change pay": lambda db, key, value: setattr(db.items[key].pay["g"], "amount", value),
    "change part": lambda db, key, value: setattr(db.items[key].parts[0], "name", value),
    "pop part": lambda db, key, value: db.items[key].parts.pop(),
    "count": lambda db, key, value: db.counts.__setitem__(key, value),
    "count up": lambda db, key, value: db.counts.__setitem__(key, db.counts[key] + 1),
    "uncount": lambda db, key, value: db.counts.pop(key, value),
    "log a record": lambda db, key, value: db.log.append(Part(name=key)),
    "change a copy": lambda db, key, value: db.counts.copy().clear(),
    "slot": lambda db, key, value: db.slots.__setitem__(len(key), value),
    "log": lambda db, key, value: db.log.append(value),
    "log deep": lambda db, key, value: db.log[1]["y"].append(value),
    "title": lambda db, key, value: setattr(db.meta, "title", value),
    "counter": lambda db, key, value: db.meta.counters.__setitem__(key, value),
    "meta part": lambda db, key, value: db.meta.part.sizes.append(value),
    "flag": lambda db, key, value: setattr(db, "flag", value),
    "look": lambda db, key, value: [db.items.get(key), key in db.items, len(db.counts), list(reversed(db.items))],
    "read": lambda db, key, value: [(name, item.note) for name, item in reading(db).items.items()],
    "read one": lambda db, key, value: [key in reading(db).items, reading(db).counts.get(key), reading(db).items[key]],
    "copy": lambda db, key, value: [db.items.copy(), db.counts | {key: value}, {key: value} | db.counts],
}
STEPS = st.lists(
    st.tuples(st.sampled_from(["begin", "commit", "rollback", *OPERATIONS]), KEYS, VALUES), min_size=1, max_size=20
)
Steps = list[tuple[str, str, Any]]
CALLS = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from(sorted(OPERATIONS)), KEYS, VALUES), min_size=1, max_size=4),
        st.sampled_from(["commit", "rollback"]),
    ),
    min_size=1,
    max_size=6,
).map(lambda calls: [step for steps, end in calls for step in [("begin", "", None), *steps, (end, "", None)]])


def canonical(value: Any) -> str:
    return json.dumps(plain(value), default=str)


def attempt(operation: Callable[[Any, str, Any], object], db: Any, key: str, value: Any) -> object:
    """Return what an operation gives, or the kind of its failure."""
    try:
        return canonical(operation(db, key, json.loads(json.dumps(value))))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        return type(error)


class Pair:
    """One world and a plain database, taken through the same steps."""

    def __init__(self) -> None:
        self.world = World(BASE)
        self.plain = shop()
        self.saved: Shop | None = None

    def take(self, steps: Steps) -> None:
        view = View(self.world, writing=True)
        for name, key, value in steps:
            if name == "begin":
                self.world.begin()
                self.saved = self.plain.model_copy(deep=True)
            elif name == "commit":
                self.world.commit()
                self.saved = None
            elif name == "rollback":
                self.world.rollback()
                self.plain, self.saved = self.saved or self.plain, None
            else:
                operation = OPERATIONS[name]
                assert attempt(operation, view, key, value) == attempt(operation, self.plain, key, value), name

    def content(self) -> dict[str, Any]:
        view: Any = View(self.world, writing=False)
        tables = {name: dict(getattr(view, name).items()) for name in ("items", "counts")}
        return {**tables, **{name: getattr(view, name) for name in ("slots", "log", "meta", "flag")}}

    def dump(self) -> dict[str, Any]:
        return self.plain.model_dump(warnings=False)
