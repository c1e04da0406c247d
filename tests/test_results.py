"""The text of results, byte for byte as in spec/environment.md, 4, for handlers that return such values."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tau2_core.episode.environment import Environment
from tau2_core.episode.result_text import result_text
from tau2_core.episode.setting import Setting
from tau2_core.model.messages import ToolCall
from tau2_core.model.tools import Failure, ToolResult

HANDLERS = """
import math
from datetime import date, datetime
from enum import Enum, StrEnum
from typing import Any
from tau2_core import Record
from ..models import Item, Part

class Word(StrEnum):
    YES = "yes"

class Shade(Enum):
    DARK = "dark"

class Day(Record):
    on: date
    at: datetime
    word: Word
    shade: Shade
    any: Any = None

MOMENT = datetime(2025, 1, 2, 3, 4, 5)
DAY = Day(on=date(2025, 1, 2), at=MOMENT, word="yes", shade="dark")
PART = Part(name="n", sizes=[1])
RAW = Item(name="raw")
RAW.count, RAW.tags, RAW.prices = 2.0, "text", None
VALUES = {
    "text": "as it is: {\\"a\\": 1} \\u00e9",
    "empty text": "",
    "word": Word.YES,
    "none": None,
    "int": 1,
    "float": 1.0,
    "true": True,
    "false": False,
    "large": 1e16,
    "small": 1e-05,
    "minus zero": -0.0,
    "nan": math.nan,
    "list": [1, 2.5, True, None, "x"],
    "tuple": ("x", (1,)),
    "dict": {"b": 1, "a": {"c": [False]}},
    "number keys": {1: "x", None: "y"},
    "word keys": {Word.YES: Word.YES},
    "empty": [[], {}, ()],
    "record": PART,
    "records": [PART, {"k": PART}],
    "numbers in a record": Item(name="i", count=3, prices={"p": 2}, data=[1e16, 1e-05, -0.0, True, 10**30]),
    "raw values in a record": RAW,
    "nan in a record": Item(name="i", data=[math.nan, math.inf, -math.inf]),
    "date": [date(2025, 1, 2), MOMENT],
    "moment": MOMENT,
    "dates in a record": DAY,
    "set in a record": Day(on="2025-01-02", at=MOMENT, word="yes", shade="dark", any={1}),
    "not ascii": ["\\u00e9\\U0001f600\\ud800"],
    "bytes": b"x",
    "set": {1},
    "shade": Shade.DARK,
    "object in a list": [object()],
}

def give(db, which: str) -> Any:
    return VALUES[which]

def whole_table(db) -> dict:
    return db.items

def whole_field(db) -> list:
    return db.log

def add(db) -> str:
    db.items["c"] = Item(name="C")
    db.log.append("c")
    return "added"

def give_while_writing(db) -> list:
    return [db.items, db.log]
"""
ITEM = '{"name": "i", "count": 3, "tags": [], "prices": {"p": 2.0}, "parts": [], '
ROW = '{"name": "%s", "count": %s, "tags": [%s], "prices": {%s}, "parts": [%s], "data": null}'
ROW_A = ROW % ("A", 1, '"x"', '"p": 1.5', '{"name": "n", "sizes": [1]}')
ROWS = f'"a": {ROW_A}, "b": {ROW % ("B", 2, "", "", "")}'
DAY = '{"on": "2025-01-02", "at": "2025-01-02 03:04:05", "word": "yes", "shade": "Shade.DARK", "any": '


@pytest.fixture(scope="module")
def setting(small_pack: Callable[..., Setting]) -> Setting:
    tools: dict[str, Any] = {"give": {"parameters": {"which": "string"}}, "whole_table": {}, "whole_field": {}}
    return small_pack(HANDLERS, tools | {"add": {"kind": "write"}, "give_while_writing": {"kind": "write"}})


def call(environment: Environment, name: str, **arguments: Any) -> ToolResult:
    return environment.call(ToolCall(name=name, arguments=arguments))


@pytest.mark.parametrize(
    ("which", "text"),
    [
        ("text", 'as it is: {"a": 1} é'),
        ("empty text", ""),
        ("word", "yes"),
        ("none", "null"),
        ("int", '"1"'),
        ("float", '"1.0"'),
        ("true", '"True"'),
        ("false", '"False"'),
        ("large", '"1e+16"'),
        ("small", '"1e-05"'),
        ("minus zero", '"-0.0"'),
        ("nan", '"nan"'),
        ("list", '["1", "2.5", "True", null, "x"]'),
        ("tuple", '["x", ["1"]]'),
        ("dict", '{"b": "1", "a": {"c": ["False"]}}'),
        ("number keys", '{"1": "x", "null": "y"}'),
        ("word keys", '{"yes": "yes"}'),
        ("empty", "[[], {}, []]"),
        ("record", '{"name": "n", "sizes": [1]}'),
        ("records", '[{"name": "n", "sizes": [1]}, {"k": {"name": "n", "sizes": [1]}}]'),
        ("numbers in a record", ITEM + f'"data": [1e+16, 1e-05, -0.0, true, {10**30}]}}'),
        (
            "raw values in a record",
            '{"name": "raw", "count": 2.0, "tags": "text", "prices": null, "parts": [], "data": null}',
        ),
        ("nan in a record", ITEM.replace("3", "0").replace('"p": 2.0', "") + '"data": [NaN, Infinity, -Infinity]}'),
        ("date", '["2025-01-02", "2025-01-02T03:04:05"]'),
        ("moment", '"2025-01-02T03:04:05"'),
        ("dates in a record", DAY + "null}"),
        ("set in a record", DAY + '"{1}"}'),
        ("not ascii", '["\\u00e9\\ud83d\\ude00\\ud800"]'),
    ],
)
def test_values_are_written_as_by_the_official_environment(setting: Setting, which: str, text: str) -> None:
    assert call(Environment(setting), "give", which=which) == ToolResult(text)


@pytest.mark.parametrize("which", ["bytes", "set", "shade", "object in a list"])
def test_a_value_without_a_text_form_counts_as_a_crash(setting: Setting, which: str) -> None:
    result = call(Environment(setting), "give", which=which)
    assert result.failure is Failure.CRASHED
    assert "has no text form" in result.content


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("whole_table", f"{{{ROWS}}}", f'{{{ROWS}, "c": {ROW % ("C", 0, "", "", "")}}}'),
        ("whole_field", '["start"]', '["start", "c"]'),
    ],
)
def test_a_field_has_the_same_text_before_and_after_a_change(
    setting: Setting, name: str, before: str, after: str
) -> None:
    environment = Environment(setting)
    assert call(environment, name) == ToolResult(before)
    call(environment, "add")
    assert call(environment, name) == ToolResult(after)


def test_a_writing_tool_may_return_whole_fields(setting: Setting) -> None:
    assert call(Environment(setting), "give_while_writing") == ToolResult(f'[{{{ROWS}}}, ["start"]]')


TEXTS = st.text(st.characters(), max_size=5)
VALUES = st.recursive(
    st.none() | TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)
)


@given(VALUES)
def test_texts_lists_and_dicts_are_plain_json_and_a_text_alone_is_itself(value: Any) -> None:
    assert result_text(value) == (value if isinstance(value, str) else json.dumps(value))
