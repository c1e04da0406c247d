"""How texts are read as actions."""

from __future__ import annotations

import json
from keyword import iskeyword
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tau2_gymnasium import UnicodeText, read_action, written_call
from tau2_gymnasium.actions import ActionCall

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=8,
)
NAMES = st.from_regex(r"[a-z_]{1,10}", fullmatch=True).filter(lambda name: not iskeyword(name))
CALLS = st.builds(ActionCall, NAMES, st.dictionaries(NAMES, JSON, max_size=3))


@given(CALLS)
def test_a_call_is_read_in_json(call: ActionCall) -> None:
    assert read_action(json.dumps({"name": call.name, "arguments": call.arguments})) == call


@given(CALLS)
def test_a_written_call_is_read_back(call: ActionCall) -> None:
    assert read_action(written_call(call)) == call


@given(st.text(alphabet=st.characters()) | st.from_regex(r"[{\[(a-z=,'\"\d)\]}]*", fullmatch=True))
def test_any_text_becomes_an_action_that_a_record_can_hold(text: str) -> None:
    action = read_action(text)
    if isinstance(action, ActionCall):
        json.dumps([action.name, action.arguments], allow_nan=False, ensure_ascii=False).encode()
    else:
        assert action == text


def test_text_with_brackets_is_not_a_call() -> None:
    for text in ("I did it (twice)", "print(1)", "f(*a)", "f(**a)", "a.b(c=1)", "f(a=g())", "(1)", "f(x=y)"):
        assert read_action(text) == text


@given(st.text())
def test_the_space_contains_any_text(text: str) -> None:
    assert text in UnicodeText()


def test_the_space_has_samples_and_a_limit() -> None:
    space = UnicodeText(5)
    assert "12345" in space
    assert "123456" not in space
    assert 5 not in space
    space = UnicodeText()
    assert space.sample() in space
