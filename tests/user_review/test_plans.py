"""Reading the plans of customers: strictly, and without letting a part of one through to the agent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tau2_core.users.plans import NO_PLAN, WRONG_FORM, read_plan

ENTRY = st.text(st.characters(exclude_characters=";\n\r", exclude_categories=["Cs", "Zl", "Zp", "Cc"]), min_size=1)
ENTRIES = st.lists(ENTRY.map(str.strip).filter(lambda entry: entry not in ("", "-")), max_size=4)
PIECES = st.sampled_from(
    ["<plan>", "</plan>", "<PLAN>", "open: secret", "revealed: secret", "agreed: secret", "\n", " ", "Hello.", "<plan"]
)


@given(ENTRIES, ENTRIES, ENTRIES, st.sampled_from(["Hello.", "", "Two\nlines."]))
def test_a_plan_is_read_as_it_was_written(opened: list[str], told: list[str], agreed: list[str], text: str) -> None:
    parts = {"open": opened, "revealed": told, "agreed": agreed}
    lines = [f"{name}: {'; '.join(each) or '-'}" for name, each in parts.items()]
    found = read_plan("\n".join(["<plan>", *lines, "</plan>", text]))
    assert found.plan is not None
    assert (found.plan.open, found.plan.revealed, found.plan.agreed) == (opened, told, agreed)
    assert (found.text, found.problem) == (text, "")


@given(st.lists(PIECES, max_size=14).map("".join))
def test_no_tag_ever_reaches_the_agent(written: str) -> None:
    found = read_plan(written)
    assert "<plan" not in found.text.lower()
    assert "</plan" not in found.text.lower()
    if found.plan is None:
        assert found.problem == (WRONG_FORM if "plan" in written.lower() else NO_PLAN) or "open" in written


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("<plan>\nopen: a secret\nHello.", "Hello."),
        ("<plan>open: a secret</plan>Hello.", "Hello."),
        ("Hello.\n<plan>\nopen: a secret\nrevealed: -\nagreed: -\n</plan>", "Hello."),
        ("<plan>\nrevealed: -\nopen: a secret\nagreed: -\n</plan>\nHello.", "Hello."),
        ("open: a secret\nrevealed: -\nagreed: -\n</plan>\nHello.", "Hello."),
        ("open: a secret\nrevealed: -\nagreed: -\n\nHello.", "Hello."),
    ],
)
def test_a_plan_in_another_form_is_left_out(written: str, text: str) -> None:
    found = read_plan(written)
    assert (found.plan, found.text, found.problem) == (None, text, WRONG_FORM)
