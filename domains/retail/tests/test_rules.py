"""The rules of the shop, and the quirks that it shares with the official benchmark."""

import json
from typing import Any

import pytest
from tau2_core import ToolError
from tau2_domain_retail.handlers import arithmetic, catalogue, customers, delivered, orders, pending, transfer
from tau2_domain_retail.models import GiftCard, Order, OrderPayment, RetailDB, User

MOVED: dict[str, Any] = {
    "address1": "2 Hill Road",
    "address2": "",
    "city": "New York",
    "country": "USA",
    "state": "NY",
    "zip": "10001",
}


def balance(db: RetailDB, method_id: str) -> float:
    method = db.users["ada_byron_1"].payment_methods[method_id]
    assert isinstance(method, GiftCard)
    return method.balance


def history(order: Order) -> list[tuple[str, float, str]]:
    return [(entry.transaction_type, entry.amount, entry.payment_method_id) for entry in order.payment_history]


def forget_method(db: RetailDB, method_id: str) -> None:
    del db.users["ada_byron_1"].payment_methods[method_id]


class TestLookingUp:
    @pytest.mark.parametrize("order_id", ["P", "#p", "#P ", None, 5])
    def test_orders_are_found_by_exact_id_only(self, db: RetailDB, order_id: Any) -> None:
        with pytest.raises(ToolError):
            orders.get_order_details(db, order_id)

    def test_item_and_product_ids_are_not_interchangeable(self, db: RetailDB) -> None:
        assert catalogue.get_item_details(db, "2B").price == 3.0
        assert catalogue.get_product_details(db, "2").name == "Mug"
        with pytest.raises(ToolError):
            catalogue.get_item_details(db, "2")
        with pytest.raises(ToolError):
            catalogue.get_product_details(db, "2B")

    def test_product_types_are_json_sorted_by_name_and_the_later_duplicate_wins(self, db: RetailDB) -> None:
        assert catalogue.list_all_product_types(db) == '{"Mug": "2", "Teapot": "1"}'
        db.products["2"].name = "Teapot"
        assert json.loads(catalogue.list_all_product_types(db)) == {"Teapot": "2"}

    def test_email_ignores_case(self, db: RetailDB) -> None:
        assert customers.find_user_id_by_email(db, "aDA@Example.com") == "ada_byron_1"
        with pytest.raises(ToolError):
            customers.find_user_id_by_email(db, "ada@example.org")

    @pytest.mark.parametrize("zip_code", ["2139", " 02139", 2139])
    def test_zip_code_is_exact(self, db: RetailDB, zip_code: Any) -> None:
        assert customers.find_user_id_by_name_zip(db, "ADA", "byron", "02139") == "ada_byron_1"
        with pytest.raises(ToolError):
            customers.find_user_id_by_name_zip(db, "Ada", "Byron", zip_code)

    def test_a_new_default_address_changes_authentication_but_no_order(self, db: RetailDB) -> None:
        user: User = customers.modify_user_address(db, "ada_byron_1", **MOVED)
        assert user.address.address1 == "2 Hill Road"
        assert customers.find_user_id_by_name_zip(db, "Ada", "Byron", "10001") == "ada_byron_1"
        assert db.orders["#P"].address.zip == "02139"

    def test_calculating_and_transferring(self, db: RetailDB) -> None:
        assert arithmetic.calculate(db, "1.5 + 2") == "3.5"
        assert transfer.transfer_to_human_agents(db, "anything") == "Transfer successful"


class TestCancelling:
    def test_refunds_come_after_the_originals_and_gift_cards_are_credited_at_once(self, db: RetailDB) -> None:
        cancelled = orders.cancel_pending_order(db, "#G", "no longer needed")
        assert (cancelled.status, cancelled.cancel_reason) == ("cancelled", "no longer needed")
        assert history(cancelled) == [("payment", 20.2, "gift"), ("refund", 20.2, "gift")]
        assert balance(db, "gift") == 70.2

    @pytest.mark.parametrize("reason", ["changed my mind", "No longer needed", None, ["no longer needed"]])
    def test_only_two_reasons_are_accepted(self, db: RetailDB, reason: Any) -> None:
        with pytest.raises(ToolError):
            orders.cancel_pending_order(db, "#P", reason)
        assert db.orders["#P"].status == "pending"

    @pytest.mark.parametrize("order_id", ["#D", "#S"])
    def test_only_pending_orders_can_be_cancelled(self, db: RetailDB, order_id: str) -> None:
        with pytest.raises(ToolError):
            orders.cancel_pending_order(db, order_id, "no longer needed")

    def test_after_a_payment_change_every_entry_is_refunded_again(self, db: RetailDB) -> None:
        pending.modify_pending_order_payment(db, "#G", "card")
        assert balance(db, "gift") == 70.2
        cancelled = orders.cancel_pending_order(db, "#G", "ordered by mistake")
        assert [entry[2] for entry in history(cancelled)] == ["gift", "card", "gift", "gift", "card", "gift"]
        assert balance(db, "gift") == 110.6

    def test_a_missing_payment_method_fails_after_earlier_cards_were_credited(self, db: RetailDB) -> None:
        lost = OrderPayment(transaction_type="payment", amount=1, payment_method_id="lost")
        db.orders["#G"].payment_history.append(lost)
        with pytest.raises(ToolError):
            orders.cancel_pending_order(db, "#G", "no longer needed")
        assert balance(db, "gift") == 70.2
        assert (db.orders["#G"].status, len(db.orders["#G"].payment_history)) == ("pending", 2)


class TestAddressAndPayment:
    def test_the_address_is_replaced_in_the_order_only(self, db: RetailDB) -> None:
        assert pending.modify_pending_order_address(db, "#P", **MOVED).address.zip == "10001"
        assert db.users["ada_byron_1"].address.zip == "02139"

    def test_an_address_part_that_is_not_text_changes_nothing(self, db: RetailDB) -> None:
        with pytest.raises(ValueError, match="zip"):
            pending.modify_pending_order_address(db, "#P", **MOVED | {"zip": 10001})
        assert db.orders["#P"].address.zip == "02139"

    def test_modified_items_allow_another_address_but_no_other_payment(self, db: RetailDB) -> None:
        pending.modify_pending_order_items(db, "#P", ["2A"], ["2B"], "card")
        assert pending.modify_pending_order_address(db, "#P", **MOVED).address.zip == "10001"
        with pytest.raises(ToolError, match="single payment"):
            pending.modify_pending_order_payment(db, "#P", "paypal")

    def test_the_payment_method_can_be_changed_once(self, db: RetailDB) -> None:
        changed = pending.modify_pending_order_payment(db, "#P", "gift")
        assert changed.status == "pending"
        assert history(changed)[1:] == [("payment", 20.2, "gift"), ("refund", 20.2, "card")]
        assert balance(db, "gift") == 29.8
        with pytest.raises(ToolError, match="single payment"):
            pending.modify_pending_order_payment(db, "#P", "paypal")

    @pytest.mark.parametrize("method_id", ["card", "poor", "unknown", None])
    def test_the_new_method_must_be_another_known_one_that_covers_the_amount(
        self, db: RetailDB, method_id: Any
    ) -> None:
        with pytest.raises(ToolError):
            pending.modify_pending_order_payment(db, "#P", method_id)
        assert len(db.orders["#P"].payment_history) == 1

    def test_a_missing_old_method_fails_after_the_new_payment(self, db: RetailDB) -> None:
        forget_method(db, "card")
        with pytest.raises(ToolError):
            pending.modify_pending_order_payment(db, "#P", "gift")
        assert len(db.orders["#P"].payment_history) == 3
        assert balance(db, "gift") == 29.8


class TestModifyingItems:
    def test_the_price_difference_is_charged_without_rounding(self, db: RetailDB) -> None:
        stock = {key: record.model_dump() for key, record in db.products.items()}
        changed = pending.modify_pending_order_items(db, "#P", ["1A"], ["1B"], "gift")
        assert {key: record.model_dump() for key, record in db.products.items()} == stock
        assert changed.status == "pending (item modified)"
        assert history(changed)[-1] == ("payment", 24.35 - 10.1, "gift")
        assert balance(db, "gift") == 35.75
        assert [item.item_id for item in changed.items] == ["1B", "2A", "1C", "1A"]

    def test_a_negative_difference_is_refunded(self, db: RetailDB) -> None:
        changed = pending.modify_pending_order_items(db, "#P", ["1A"], ["1C"], "gift")
        assert history(changed)[-1] == ("refund", 10.1 - 5.0, "gift")
        assert balance(db, "gift") == 55.1

    def test_all_items_take_the_last_variant_but_keep_their_names(self, db: RetailDB) -> None:
        changed = pending.modify_pending_order_items(db, "#P", ["1A", "2A"], ["1B", "2B"], "card")
        first, second = changed.items[:2]
        assert (first.item_id, first.price, first.options) == ("1B", 3.0, {"kind": "2B"})
        assert (first.name, first.product_id) == ("Teapot", "1")
        assert (second.item_id, second.price, second.options) == ("2B", 3.0, {"kind": "2B"})
        assert history(changed)[-1] == ("payment", 24.35 - 10.1, "card")

    def test_a_swap_turns_the_first_item_back(self, db: RetailDB) -> None:
        changed = pending.modify_pending_order_items(db, "#G", ["1A", "1B"], ["1B", "1A"], "card")
        assert [(item.item_id, item.price) for item in changed.items] == [("1A", 10.1), ("1B", 24.35)]

    @pytest.mark.parametrize("empty", [[], "", {}])
    def test_an_empty_change_uses_up_the_only_change(self, db: RetailDB, empty: Any) -> None:
        changed = pending.modify_pending_order_items(db, "#P", empty, [], "poor")
        assert history(changed)[-1] == ("refund", 0.0, "poor")
        assert isinstance(changed.payment_history[-1].amount, float)
        with pytest.raises(ToolError):
            pending.modify_pending_order_items(db, "#P", [], [], "poor")
        with pytest.raises(ToolError):
            orders.cancel_pending_order(db, "#P", "no longer needed")

    @pytest.mark.parametrize(
        ("old", "new", "method_id"),
        [
            (["1A"], ["1A"], "card"),
            (["1A"], ["1D"], "card"),
            (["1A"], ["2A"], "card"),
            (["1A"], [], "card"),
            (["1B"], ["1A"], "card"),
            (["1A"] * 3, ["1B"] * 3, "card"),
            (["2A"], ["2C"], "gift"),
            (["1A"], ["1B"], "unknown"),
            ([5], ["1B"], "card"),
        ],
    )
    def test_invalid_items_change_nothing(self, db: RetailDB, old: Any, new: Any, method_id: str) -> None:
        before = db.model_dump()
        with pytest.raises(ToolError):
            pending.modify_pending_order_items(db, "#P", old, new, method_id)
        assert db.model_dump() == before

    def test_an_object_counts_as_its_keys_for_new_items_and_fails_for_old_ones(self, db: RetailDB) -> None:
        wanted: Any = {"1B": 1}
        with pytest.raises(AttributeError):
            pending.modify_pending_order_items(db, "#P", wanted, ["1A"], "card")
        changed = pending.modify_pending_order_items(db, "#P", ["1A"], wanted, "card")
        assert changed.items[0].item_id == "1B"


class TestReturnsAndExchanges:
    def test_a_return_is_recorded_without_a_payment(self, db: RetailDB) -> None:
        returned = delivered.return_delivered_order_items(db, "#D", ["2A", "1A", "1A"], "gift")
        assert (returned.status, returned.return_items) == ("return requested", ["1A", "1A", "2A"])
        assert returned.return_payment_method_id == "gift"
        assert (balance(db, "gift"), len(returned.payment_history)) == (50.0, 1)

    @pytest.mark.parametrize("method_id", ["paypal", "unknown"])
    def test_a_refund_goes_to_a_gift_card_or_back(self, db: RetailDB, method_id: str) -> None:
        with pytest.raises(ToolError):
            delivered.return_delivered_order_items(db, "#D", ["1A"], method_id)
        assert delivered.return_delivered_order_items(db, "#D", ["1A"], "card").return_items == ["1A"]

    def test_without_a_payment_only_a_gift_card_is_accepted(self, db: RetailDB) -> None:
        db.orders["#D"].payment_history.clear()
        with pytest.raises(ToolError):
            delivered.return_delivered_order_items(db, "#D", ["1A"], "card")
        assert delivered.return_delivered_order_items(db, "#D", [], "gift").return_items == []

    @pytest.mark.parametrize("order_id", ["#P", "#S"])
    def test_only_delivered_orders_can_be_returned(self, db: RetailDB, order_id: str) -> None:
        with pytest.raises(ToolError):
            delivered.return_delivered_order_items(db, order_id, ["1A"], "card")
        with pytest.raises(ToolError):
            delivered.exchange_delivered_order_items(db, order_id, ["1A"], ["1B"], "card")

    def test_an_exchange_sorts_both_lists_and_rounds_the_difference(self, db: RetailDB) -> None:
        items = [item.model_dump() for item in db.orders["#D"].items]
        exchanged = delivered.exchange_delivered_order_items(db, "#D", ["2A", "1A", "1A"], ["2B", "1C", "1B"], "paypal")
        assert exchanged.status == "exchange requested"
        assert exchanged.exchange_items == ["1A", "1A", "2A"]
        assert exchanged.exchange_new_items == ["1B", "1C", "2B"]
        assert (exchanged.exchange_payment_method_id, exchanged.exchange_price_difference) == ("paypal", 9.15)
        assert [item.model_dump() for item in exchanged.items] == items
        assert (balance(db, "gift"), len(exchanged.payment_history)) == (50.0, 1)

    def test_the_same_item_again_is_an_exchange(self, db: RetailDB) -> None:
        exchanged = delivered.exchange_delivered_order_items(db, "#D", ["1A"], ["1A"], "poor")
        assert repr(exchanged.exchange_price_difference) == "0.0"

    @pytest.mark.parametrize("empty", [[], "", {}])
    def test_an_exchange_of_nothing_costs_the_integer_zero(self, db: RetailDB, empty: Any) -> None:
        exchanged = delivered.exchange_delivered_order_items(db, "#D", empty, empty, "poor")
        assert repr(exchanged.exchange_price_difference) == "0"
        assert (exchanged.exchange_items, exchanged.exchange_new_items) == ([], [])

    @pytest.mark.parametrize("method_id", ["poor", "unknown"])
    def test_a_gift_card_must_cover_an_exchange(self, db: RetailDB, method_id: str) -> None:
        with pytest.raises(ToolError):
            delivered.exchange_delivered_order_items(db, "#D", ["1A"], ["1B"], method_id)
        assert db.orders["#D"].status == "delivered"
