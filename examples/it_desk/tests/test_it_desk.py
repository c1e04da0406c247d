"""The pack satisfies the contract of all packs."""

from pathlib import Path

from tau2_core.testing import assert_pack_contract


def test_the_pack_is_sound() -> None:
    assert_pack_contract("it_desk", packs=[Path(__file__).resolve().parents[1]])
