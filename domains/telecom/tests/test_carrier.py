"""The rules of the carrier's side and of the sync, and the quirks kept for parity, on the pack's own data."""

import json
from typing import Any

import pytest

LINE = {"customer_id": "C2001", "line_id": "L2002"}
SUSPENSION = {**LINE, "new_bill_id": "B2777"}


def shown(text: str) -> Any:
    return json.loads(text)


class TestLookingUp:
    @pytest.mark.parametrize(
        ("number", "found"), [("555-640-7002", "C2001"), ("555-640-7005", "C2002"), ("555-640-8804", "C2004")]
    )
    def test_line_and_contact_numbers_find_the_customer(self, world: Any, number: str, found: str) -> None:
        assert shown(world.agent("get_customer_by_phone", phone_number=number))["customer_id"] == found

    @pytest.mark.parametrize("number", ["555-640-9999", "5556407002", "", None])
    def test_numbers_are_exact(self, loose: Any, number: Any) -> None:
        loose.call("assistant", "get_customer_by_phone", {"phone_number": number}, fails=True)

    def test_an_unknown_name_gives_an_empty_list(self, loose: Any) -> None:
        found = loose.agent("get_customer_by_name", full_name="RUKMINI sarkar", dob="1993-07-28")
        assert [customer["customer_id"] for customer in shown(found)] == ["C2003"]
        assert loose.agent("get_customer_by_name", full_name="Rukmini Sarkar", dob="1993-7-28") == "[]"
        loose.call("assistant", "get_customer_by_name", {"full_name": None, "dob": ""}, fails=True)

    def test_the_first_letter_determines_the_kind_of_id(self, loose: Any) -> None:
        for record_id, key in (
            ("L2009", "line_id"),
            ("D2007", "device_id"),
            ("B2006", "bill_id"),
            ("P2005", "plan_id"),
        ):
            assert shown(loose.agent("get_details_by_id", id=record_id))[key] == record_id
        for wrong in ("L9", "l2001", "X1", "", None, 5, ["L2001"]):
            loose.call("assistant", "get_details_by_id", {"id": wrong}, fails=True)

    @pytest.mark.parametrize(
        ("limit", "found"),
        [({}, "321"), ({"limit": 1}, "3"), ({"limit": 0}, ""), ({"limit": -1}, "32"), ({"limit": None}, "321")],
    )
    def test_bills_come_newest_first(self, loose: Any, limit: dict[str, Any], found: str) -> None:
        bills = shown(loose.agent("get_bills_for_customer", customer_id="C2001", **limit))
        assert [bill["bill_id"] for bill in bills] == [f"B200{digit}" for digit in found]

    @pytest.mark.parametrize("limit", ["2", 1.5])
    def test_bills_are_counted_in_whole_numbers(self, loose: Any, limit: Any) -> None:
        loose.call("assistant", "get_bills_for_customer", {"customer_id": "C2001", "limit": limit}, fails=True)

    def test_usage_writes_its_numbers_as_text(self, world: Any) -> None:
        assert shown(world.agent("get_data_usage", **LINE)) == {
            "line_id": "L2002",
            "data_used_gb": "11.4",
            "data_limit_gb": "20.0",
            "data_refueling_gb": "0.0",
            "cycle_end_date": "2025-02-28",
        }

    @pytest.mark.parametrize("wrong", [("C2002", "L2002"), ("C2001", "L2009"), ("C9", "L2002"), (None, None)])
    @pytest.mark.parametrize("name", ["get_data_usage", "resume_line", "enable_roaming", "disable_roaming"])
    def test_a_line_must_belong_to_the_customer(self, loose: Any, name: str, wrong: tuple[Any, Any]) -> None:
        loose.call("assistant", name, {"customer_id": wrong[0], "line_id": wrong[1]}, fails=True)


class TestLines:
    def test_the_phone_detects_a_suspension_on_its_next_search(self, world: Any) -> None:
        line = shown(world.agent("suspend_line", **LINE, reason="lost"))["line"]
        assert (line["status"], line["suspension_start_date"]) == ("Suspended", "2025-02-25")
        assert world.surroundings.line_active is False
        assert world.holds("user", "assert_service_status", expected_status="connected")
        world.user("toggle_roaming")
        assert world.holds("user", "assert_service_status", expected_status="no_service")
        assert shown(world.agent("resume_line", **LINE))["line"]["suspension_start_date"] is None
        assert world.holds("user", "assert_service_status", expected_status="no_service")
        world.user("reboot_device")
        assert world.holds("user", "assert_service_status", expected_status="connected")

    def test_only_active_lines_are_suspended_and_only_idle_ones_resumed(self, world: Any) -> None:
        call = {"customer_id": "C2001", "line_id": "L2003"}
        world.call("assistant", "suspend_line", {**call, "reason": "x"}, fails=True)
        world.agent("resume_line", **call)
        world.call("assistant", "resume_line", call, fails=True)
        world.agent("resume_line", customer_id="C2002", line_id="L2008")  # pending activation
        assert world.holds("assistant", "assert_line_status", **call, expected_status="Active")

    def test_enabling_roaming_twice_is_not_a_failure(self, world: Any) -> None:
        before = world.hashes()
        again = world.agent("enable_roaming", **LINE)
        assert world.hashes() == before
        off = world.agent("disable_roaming", **LINE)
        assert world.agent("disable_roaming", **LINE) != off
        assert world.agent("enable_roaming", **LINE) != again
        assert world.hashes() == before


class TestAllowance:
    @pytest.mark.parametrize(("used", "exceeded"), [(19.9, False), (20, True), (20.0, True), (20.1, True)])
    def test_a_limit_counts_as_exceeded_when_it_is_reached(self, world: Any, used: float, exceeded: bool) -> None:
        world.account("set_data_usage", **LINE, data_used_gb=used)
        assert repr(world.record("lines", "line_id", "L2002").data_used_gb) == repr(used)
        assert world.holds("user", "assert_mobile_data_usage_exceeded", expected_status=exceeded)
        assert world.holds("user", "assert_mobile_data_status", expected_status=not exceeded)

    def test_refuelling_books_a_charge_on_the_draft(self, world: Any) -> None:
        world.account("set_data_usage", **LINE, data_used_gb=20.5)
        made = shown(world.agent("refuel_data", **LINE, gb_amount=2))
        assert (made["new_data_refueling_gb"], made["charge"]) == ("2.0", "5.0")
        assert world.holds("user", "assert_mobile_data_status", expected_status=True)
        draft = world.record("bills", "bill_id", "B2003")
        assert (draft.total_due, len(draft.line_items)) == (5.0, 1)
        item = draft.line_items[0]
        assert (item.description, item.item_type) == ("Data refueling: 2 GB at $2.5/GB", "Charge")
        assert str(item.date) == "2025-02-25"
        assert world.holds("assistant", "assert_data_refueling_amount", **LINE, expected_amount=2)

    @pytest.mark.parametrize("amount", [0, -1, "2", None, []])
    def test_refuelling_needs_an_amount(self, loose: Any, amount: Any) -> None:
        before = loose.hashes()
        loose.call("assistant", "refuel_data", {**LINE, "gb_amount": amount}, fails=True)
        assert loose.hashes() == before

    @pytest.mark.parametrize("amount", [True, float("nan")])
    def test_refuelling_accepts_odd_amounts(self, loose: Any, amount: Any) -> None:
        loose.agent("refuel_data", **LINE, gb_amount=amount)

    def test_a_draft_bill_is_created_if_there_is_none(self, world: Any) -> None:
        for _ in range(2):
            world.agent("refuel_data", customer_id="C2003", line_id="L2009", gb_amount=1.0)
        bill_id = world.record("customers", "customer_id", "C2003").bill_ids[-1]
        draft = shown(world.agent("get_details_by_id", id=bill_id))
        dates = [draft[key] for key in ("period_start", "period_end", "issue_date", "due_date")]
        assert dates == ["2025-03-01", "2025-03-31", "2025-03-01", "2025-03-15"]
        assert (draft["status"], draft["total_due"], len(draft["line_items"])) == ("Draft", 5.0, 2)


class TestPaying:
    def test_goes_from_request_to_paid(self, world: Any) -> None:
        world.agent("send_payment_request", customer_id="C2001", bill_id="B2002")
        world.call("assistant", "send_payment_request", {"customer_id": "C2001", "bill_id": "B2001"}, fails=True)
        assert "B2002" in world.user("check_payment_request")
        assert "127.0 USD" in world.user("make_payment")
        assert world.record("bills", "bill_id", "B2002").status == "Paid"
        assert world.surroundings.payment_request is None
        before = world.hashes()
        world.user("make_payment")
        assert world.hashes() == before

    @pytest.mark.parametrize("bill_id", ["B2001", "B2003"])
    def test_a_payment_can_be_requested_whatever_the_status(self, world: Any, bill_id: str) -> None:
        world.agent("send_payment_request", customer_id="C2001", bill_id=bill_id)
        assert world.surroundings.payment_request.bill_id == bill_id

    @pytest.mark.parametrize("call", [("C2001", "B2004"), ("C2001", "B9"), ("C9", "B2001")])
    def test_is_refused_for_other_bills(self, world: Any, call: tuple[str, str]) -> None:
        arguments = {"customer_id": call[0], "bill_id": call[1]}
        world.call("assistant", "send_payment_request", arguments, fails=True)

    def test_the_amount_due_is_fixed_by_the_request(self, world: Any) -> None:
        world.agent("refuel_data", **LINE, gb_amount=1)
        world.agent("send_payment_request", customer_id="C2001", bill_id="B2003")
        world.agent("refuel_data", **LINE, gb_amount=1)  # B2003 is no longer a draft: another one is created
        assert world.surroundings.payment_request.amount_due == 2.5
        assert world.record("bills", "bill_id", "B2003").total_due == 2.5
        assert len(world.record("customers", "customer_id", "C2001").bill_ids) == 4

    def test_a_request_to_another_customer_does_not_reach_the_phone(self, world: Any) -> None:
        world.agent("send_payment_request", customer_id="C2002", bill_id="B2005")
        assert world.surroundings.payment_request is None


class TestOverdueSuspension:
    def test_writes_bill_and_line(self, world: Any) -> None:
        world.account("suspend_line_for_overdue_bill", **SUSPENSION, contract_ended=True)
        bill = shown(world.agent("get_details_by_id", id="B2777"))
        assert [bill[key] for key in ("period_start", "period_end", "issue_date", "due_date")] == [
            "2025-01-01",
            "2025-01-31",
            "2025-01-01",
            "2025-01-15",
        ]
        assert (bill["status"], bill["total_due"]) == ("Overdue", 58.0)
        assert [(item["description"], item["item_type"], item["date"]) for item in bill["line_items"]] == [
            ("Charge for line L2002", "Charge", "2025-02-25")
        ]
        line = shown(world.agent("get_details_by_id", id="L2002"))
        assert (line["status"], line["contract_end_date"]) == ("Suspended", "2025-01-31")
        assert world.holds("assistant", "assert_overdue_bill_exists", customer_id="C2001", overdue_bill_id="B2777")
        assert not world.holds("assistant", "assert_no_overdue_bill", overdue_bill_id="B2777")
        assert world.holds("user", "assert_service_status", expected_status="connected")
        world.phone("simulate_network_search")
        assert world.holds("user", "assert_service_status", expected_status="no_service")

    @pytest.mark.parametrize(
        "wrong",
        [
            {"line_id": "L2003"},  # already suspended
            {"line_id": "L9"},
            {"customer_id": "C9"},
            {"customer_id": "C2002"},  # already has an overdue bill
            {"new_bill_id": 5},
        ],
    )
    def test_invalid_calls_fail_without_changes(self, loose: Any, wrong: dict[str, Any]) -> None:
        before = loose.hashes()
        with pytest.raises(Exception, match=r"\w"):
            loose.account("suspend_line_for_overdue_bill", **{**SUSPENSION, "contract_ended": False, **wrong})
        assert loose.hashes() == before

    def test_does_not_check_who_owns_the_line(self, world: Any) -> None:
        world.account(
            "suspend_line_for_overdue_bill",
            customer_id="C2004",
            line_id="L2002",
            new_bill_id="B2001",
            contract_ended=False,
        )
        assert world.record("customers", "customer_id", "C2004").bill_ids == ["B2001"]
        assert shown(world.agent("get_details_by_id", id="B2001"))["status"] == "Paid"  # hidden by the first


class TestAssertions:
    def test_assertions_raise_if_the_record_is_missing(self, world: Any) -> None:
        for name, arguments in [
            ("assert_overdue_bill_exists", {"customer_id": "C2001", "overdue_bill_id": "B2001"}),
            ("assert_overdue_bill_exists", {"customer_id": "C2001", "overdue_bill_id": "B2005"}),
            ("assert_line_status", {"customer_id": "C2001", "line_id": "L2009", "expected_status": "Active"}),
        ]:
            with pytest.raises(Exception, match=r"B200[15]|L2009"):
                world.holds("assistant", name, **arguments)

    @pytest.mark.parametrize(("bill_id", "met"), [("B9", True), ("B2001", True), ("B2002", False), ("B2005", False)])
    def test_only_one_bill_is_checked(self, world: Any, bill_id: str, met: bool) -> None:
        assert world.holds("assistant", "assert_no_overdue_bill", overdue_bill_id=bill_id) == met

    def test_plans_are_listed(self, world: Any) -> None:
        assert world.account("get_available_plan_ids") == [f"P200{digit}" for digit in range(1, 6)]


class TestSync:
    def test_sync_does_nothing_until_the_phones_owner_is_known(self, world: Any, own: Any) -> None:
        other = type(world)(own)
        other.agent("suspend_line", **LINE, reason="x")
        assert other.surroundings.line_active is True

    def test_sync_overwrites_preset_values(self, world: Any) -> None:
        world.environment.worlds["user"].write_field("surroundings").roaming_allowed = False
        world.user("check_status_bar")
        assert world.surroundings.roaming_allowed is True

    def test_a_number_without_a_line_fails_every_call_but_keeps_its_effects(self, loose: Any) -> None:
        with pytest.raises(Exception, match="000"):
            loose.phone("set_user_info", name="x", phone_number="000")
        loose.call("user", "toggle_data", {}, fails=True)
        assert loose.device.data_enabled is False
        loose.call("assistant", "suspend_line", {**LINE, "reason": "x"}, fails=True)
        assert loose.record("lines", "line_id", "L2002").status == "Suspended"

    def test_strict_mode_undoes_such_failed_calls(self, world: Any) -> None:
        with pytest.raises(Exception, match="000"):
            world.phone("set_user_info", name="x", phone_number="000")
        world.call("user", "toggle_data", {}, fails=True)
        assert world.device.data_enabled is True
