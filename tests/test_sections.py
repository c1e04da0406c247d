"""A section of a database: a part with tables of its own, such as `db.accounts.rows`."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError
from tau2_core import Database, Record, Section, reading
from tau2_core.state.difference import world_changes
from tau2_core.state.merge import merge_data
from tau2_core.state.records import FrozenRecordError
from tau2_core.state.view import View
from tau2_core.state.world import Base, World


class Account(Record):
    owner: str
    cards: list[str] = Field(default_factory=list)


class Accounts(Section):
    rows: dict[str, Account]
    opened: Annotated[int, Field(ge=0)] = 1


class Bank(Database):
    accounts: Accounts
    chief: Account
    branches: Annotated[int, Field(ge=0)] = 2


CONTENT: dict[str, Any] = {
    "accounts": {"rows": {"a": {"owner": "Ann", "cards": ["c1"]}, "b": {"owner": "Bo"}}, "opened": 2},
    "chief": {"owner": "Di", "cards": ["c9"]},
    "branches": 3,
}
BASE = Base(Bank.model_validate(CONTENT))
PATCHES = st.fixed_dictionaries(
    {},
    optional={
        "accounts": st.fixed_dictionaries(
            {},
            optional={
                "rows": st.dictionaries(
                    st.sampled_from("abc"), st.fixed_dictionaries({"owner": st.sampled_from(["Ann", "Cy"])})
                ),
                "opened": st.integers(0, 3),
                "closed": st.integers(),
            },
        ),
        "chief": st.fixed_dictionaries({"owner": st.sampled_from(["Di", "Cy"])}),
        "branches": st.integers(0, 3),
    },
)


def merged(old: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    both = {key: merged(old[key], patch[key]) for key in old.keys() & patch.keys() if isinstance(old[key], dict)}
    return {**old, **patch, **both}


@given(PATCHES)
def test_initial_data_is_merged_into_a_section_and_unknown_parts_are_dropped(patch: dict[str, Any]) -> None:
    world = World(BASE)
    merge_data(world, patch)
    expected = Bank.model_validate(merged(Bank.model_validate(CONTENT).model_dump(), patch)).model_dump()
    assert world.plain() == expected
    text = json.dumps(expected, sort_keys=True, default=str)
    assert world.official_hash() == hashlib.sha256(text.encode()).hexdigest()


def test_the_official_hash_of_an_untouched_database_is_that_of_its_dump() -> None:
    text = json.dumps(Bank.model_validate(CONTENT).model_dump(), sort_keys=True)
    assert World(BASE).official_hash() == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("patch", [{"accounts": {"opened": -1}}, {"branches": -1}, {"accounts": {"rows": {"a": 1}}}])
def test_merged_values_are_validated_with_their_constraints(patch: dict[str, Any]) -> None:
    world = World(BASE)
    with pytest.raises(ValidationError):
        merge_data(world, patch)
    assert world.plain() == World(BASE).plain()


def test_a_section_must_be_an_object() -> None:
    with pytest.raises(ValueError, match="accounts should be an object, not 3"):
        merge_data(World(BASE), {"accounts": 3})


def test_a_writer_changes_its_own_rows_and_a_reader_none() -> None:
    mine, other = World(BASE), World(BASE)
    view: Any = View(mine, writing=True)
    view.accounts.rows["a"].cards.append("c2")
    view.accounts.opened = 5
    assert [str(change) for change in world_changes(other, mine)] == [
        "accounts.opened: 2 → 5",
        "accounts.rows.a.cards[1]: (absent) → 'c2'",
    ]
    for section in (reading(view).accounts, reading(view.accounts)):
        assert (section.opened, section.rows["a"].cards) == (5, ["c1", "c2"])
        with pytest.raises(FrozenRecordError, match="this Account is shared"):
            section.rows["b"].owner = "Cy"
        with pytest.raises(TypeError, match=r"`accounts\.opened` cannot be set"):
            section.opened = 6
    assert View(other, writing=False).accounts.rows["a"].cards == ["c1"]


def test_a_whole_table_of_a_section_is_replaced() -> None:
    world = World(BASE)
    view: Any = View(world, writing=True)
    view.accounts.rows = {"z": Account(owner="Zoe")}
    assert world.plain()["accounts"] == {"rows": {"z": {"owner": "Zoe", "cards": []}}, "opened": 2}
    with pytest.raises(AttributeError, match=r"Bank has no field 'accounts\.row'"):
        _ = view.accounts.row
