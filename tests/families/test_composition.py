"""Task families: the combinations of blocks, their order, personas and ids."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tau2_core.packs.combinations import Combination, block_combinations, family_combinations


@st.composite
def choosing(draw: st.DrawFn) -> tuple[list[list[str]], list[str] | None]:
    """Draw lines of blocks and, in some cases, the blocks of which a combination must have one."""
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=5))
    names = iter(draw(st.permutations([f"block_{number}" for number in range(sum(sizes))])))
    select = [[next(names) for _ in range(size)] for size in sizes]
    every = [block for line in select for block in line]
    return select, draw(st.none() | st.lists(st.sampled_from(every), min_size=1, unique=True))


class TestComposition:
    @given(choosing())
    def test_yields_every_valid_combination_once(self, choice: tuple[list[list[str]], list[str] | None]) -> None:
        select, enough = choice
        found = list(block_combinations(select, enough))
        idle = math.prod(1 + sum(enough is not None and block not in enough for block in line) for line in select)
        assert len(found) == len(set(found)) == math.prod(len(line) + 1 for line in select) - idle
        for blocks in found:
            assert list(blocks) == sorted(set(blocks))
            assert all(len(set(line) & set(blocks)) <= 1 for line in select)
            assert enough is None or set(enough) & set(blocks)

    @given(choosing())
    def test_orders_combinations_by_number_of_blocks_then_by_line(
        self, choice: tuple[list[list[str]], list[str] | None]
    ) -> None:
        select, enough = choice

        def rank(blocks: tuple[str, ...]) -> tuple[int, ...]:
            return len(blocks), *(next((i for i, name in enumerate(line) if name in blocks), 9) for line in select)

        found = list(block_combinations(select, enough))
        assert found == sorted(found, key=rank)

    @given(choosing(), st.lists(st.sampled_from(["none", "easy", "hard", "odd"]), max_size=4), st.randoms())
    def test_the_order_of_at_least_one_of_does_not_matter(
        self, choice: tuple[list[list[str]], list[str] | None], personas: list[str], random: Any
    ) -> None:
        select, enough = choice
        found = list(family_combinations("f", select, enough, personas))
        shuffled = None if enough is None else random.sample(enough, len(enough))
        assert found == list(family_combinations("f", select, shuffled, personas))
        assert [each.blocks for each in found] == list(block_combinations(select, enough))
        assert [each.persona for each in found] == [
            (personas or ["none"])[i % len(personas or ["none"])] for i in range(len(found))
        ]
        assert len({each.task_id for each in found}) == len(found)

    def test_writes_ids_without_the_persona_none(self) -> None:
        assert Combination("f", ("a", "b"), "easy").task_id == "f[a|b]easy"
        assert Combination("f", ("a", "b")).task_id == Combination("f", ("a", "b"), "none").task_id == "f[a|b]"

    def test_reproduces_the_official_ids(self) -> None:
        """The facts of spec/telecom.md, 9.2 and 9.3: names, counts, and the digest of the published ids."""
        roaming = [f"user_abroad_roaming_{each}" for each in ("enabled_off", "disabled_on", "disabled_off")]
        usage = ["data_usage_exceeded", "data_usage_exceeded_no_refuel"]
        permissions = [f"break_app_{each}" for each in ("sms_permission", "storage_permission", "both_permissions")]
        mobile = [["airplane_mode_on"], roaming, ["data_mode_off"], ["data_saver_mode_on"]]
        mobile += [["bad_network_preference"], ["bad_vpn"], usage]
        service = [["airplane_mode_on"], ["unseat_sim_card"], ["lock_sim_card_pin"], ["break_apn_settings"]]
        service += [["overdue_bill_suspension", "contract_end_suspension"]]
        mms = [["airplane_mode_on"], ["unseat_sim_card"], ["data_mode_off"], usage, roaming]
        mms += [["bad_network_preference"], ["bad_wifi_calling"], ["break_apn_mms_setting"], permissions]
        families = {
            "mobile_data_issue": (mobile, mobile[1:]),
            "service_issue": (service, service),
            "mms_issue": (mms, mms[5:]),
        }
        found = [
            combination
            for name, (select, enough) in families.items()
            for combination in family_combinations(
                name, select, [block for line in enough for block in line], ["None", "Easy", "Hard"]
            )
        ]
        assert Counter(each.family for each in found) == {
            "mobile_data_issue": 382,
            "service_issue": 47,
            "mms_issue": 2976,
        }
        ids = [
            f"[{each.family}]{'|'.join(each.blocks)}[PERSONA:{each.persona}]"
            for each in found
            if "data_usage_exceeded_no_refuel" not in each.blocks
        ]
        assert len(ids) == 2285
        digest = hashlib.sha256("\n".join(ids).encode()).hexdigest()
        assert digest == "27ccec36ec0b4bd739d627c6a0c7219423178dc4e7da30f4f3a89c701ff6528a"
