"""The rules of the airline's tools, and the quirks kept for parity, in a small hand-made world."""

from typing import Any

import pytest
from pydantic import ValidationError
from tau2_core import Context, ToolError
from tau2_domain_airline.handlers.booking import book_reservation
from tau2_domain_airline.handlers.calculator import calculate
from tau2_domain_airline.handlers.cancellation import cancel_reservation
from tau2_domain_airline.handlers.certificates import send_certificate
from tau2_domain_airline.handlers.changes import (
    update_reservation_baggages,
    update_reservation_flights,
    update_reservation_passengers,
)
from tau2_domain_airline.handlers.lookup import (
    get_flight_status,
    get_reservation_details,
    get_user_details,
    list_all_airports,
)
from tau2_domain_airline.handlers.search import search_direct_flight, search_onestop_flight
from tau2_domain_airline.models import AirlineDB, DirectFlight, Reservation

ADA = {"first_name": "Ada", "last_name": "Byron", "dob": "1985-12-10"}
MAY = {"first_name": "May", "last_name": "Ito", "dob": "1990-01-02"}
OUT = {"flight_number": "F1", "date": "2024-05-20"}
BACK = {"flight_number": "F2", "date": "2024-05-22"}


def book(db: AirlineDB, context: Context, pay: list[tuple[str, Any]], **changed: Any) -> Reservation:
    arguments = {
        "user_id": "ada",
        "origin": "SFO",
        "destination": "DEN",
        "flight_type": "one_way",
        "cabin": "economy",
        "flights": [OUT],
        "passengers": [ADA],
        "total_baggages": 0,
        "nonfree_baggages": 0,
        "insurance": "no",
        **changed,
    }
    payments = [{"payment_id": payment_id, "amount": amount} for payment_id, amount in pay]
    return book_reservation(db, context, payment_methods=payments, **arguments)


def balance(db: AirlineDB) -> float:
    method = db.users["ada"].payment_methods["gift"]
    assert method.source == "gift_card"
    return method.amount


def seats(db: AirlineDB, number: str, date: str) -> int:
    found = db.flights[number].dates[date]
    assert found.status == "available"
    return found.available_seats["economy"]


class TestBooking:
    def test_stores_the_reservation_and_takes_seats_and_money(self, db: AirlineDB, context: Context) -> None:
        twice = [OUT, {**OUT, "date": "2024-05-21"}]
        pay = [("voucher", 100), ("gift", 50), ("card", 230)]  # 100 + 150 fares, 30 insurance, 2 * 50 bags
        made = book(
            db, context, pay, flights=twice, passengers=[{**ADA, "seat": "1A"}], nonfree_baggages=2, insurance="yes"
        )
        assert (made.reservation_id, made.created_at, made.status) == ("NEW001", "2024-05-15T15:00:00", None)
        assert [(taken.origin, taken.destination, taken.price) for taken in made.flights] == [
            ("SFO", "DEN", 100),
            ("SFO", "DEN", 150),
        ]
        assert made.passengers[0].model_dump() == ADA
        assert list(db.reservations) == ["OLD001", "NEW001"]
        assert db.users["ada"].reservations == ["OLD001", "NEW001"]
        assert list(db.users["ada"].payment_methods) == ["card", "gift"]
        assert balance(db) == 70.0
        assert (seats(db, "F1", "2024-05-20"), seats(db, "F1", "2024-05-21")) == (4, 4)

    @pytest.mark.parametrize(
        "changed",
        [
            {"user_id": "nobody"},
            {"user_id": ["ada"]},
            {"flights": [{**OUT, "flight_number": "F9"}]},
            {"flights": [{**OUT, "date": "2024-05-28"}]},
            {"flights": [{**OUT, "date": "2024-05-15"}]},
            {"flights": [{"flight_number": "F1"}]},
            {"flights": [OUT, "F2"]},
            {"flights": [BACK], "passengers": [ADA, MAY]},
            {"flights": None},
            {"passengers": ["Ada"]},
            {"cabin": "first"},
            {"insurance": True},
            {"total_baggages": 1.5},
            {"nonfree_baggages": "0"},
            {"origin": None},
            {"pay": [("card", 99)]},
            {"pay": [("card", 100.5)]},
            {"pay": [("other", 100)]},
            {"pay": [("gift", 121), ("card", -21)]},
        ],
    )
    def test_invalid_calls_fail_without_changes(self, db: AirlineDB, context: Context, changed: dict[str, Any]) -> None:
        before = db.model_dump()
        with pytest.raises((ToolError, ValidationError, TypeError, AttributeError)):
            book(db, context, changed.pop("pay", [("card", 100)]), **changed)
        assert db.model_dump() == before

    def test_hands_out_ids_until_the_pool_is_empty(self, db: AirlineDB, context: Context) -> None:
        made = [book(db, context, [], flights=[], passengers=[]).reservation_id for _ in range(2)]
        assert made == ["NEW001", "NEW002"]
        with pytest.raises(ToolError, match="reservation"):
            book(db, context, [], flights=[], passengers=[])

    def test_empty_object_and_empty_text_count_as_empty_lists(self, db: AirlineDB, context: Context) -> None:
        assert book(db, context, [], flights={}, passengers="").flights == []

    def test_coerces_numbers_but_charges_bags_from_the_argument(self, db: AirlineDB, context: Context) -> None:
        made = book(db, context, [("card", "150")], total_baggages="3", nonfree_baggages=1.0)
        assert repr((made.total_baggages, made.nonfree_baggages, made.payment_history[0].amount)) == "(3, 1, 150)"

    def test_duplicate_certificate_is_consumed_even_if_the_booking_fails(self, db: AirlineDB, context: Context) -> None:
        with pytest.raises(ToolError):
            book(db, context, [("gift", 20), ("voucher", 40), ("voucher", 40)])
        assert "voucher" not in db.users["ada"].payment_methods
        assert (balance(db), seats(db, "F1", "2024-05-20"), list(db.reservations)) == (100.0, 5, ["OLD001"])

    def test_duplicate_gift_card_is_overdrawn(self, db: AirlineDB, context: Context) -> None:
        book(db, context, [("gift", 100), ("gift", 100)], passengers=[ADA, MAY])
        assert balance(db) == -80.0

    def test_negative_payments_and_bags_are_accepted(self, db: AirlineDB, context: Context) -> None:
        book(db, context, [("gift", -50), ("card", 100)], nonfree_baggages=-1)
        assert balance(db) == 170.0

    def test_duplicate_flights_are_checked_separately(self, db: AirlineDB, context: Context) -> None:
        book(db, context, [("card", 200)], flights=[BACK, BACK])
        assert seats(db, "F2", "2024-05-22") == -1


class TestCancellation:
    def test_negates_the_whole_history_each_time_and_credits_nothing(self, db: AirlineDB) -> None:
        reservation = cancel_reservation(db, "OLD001")
        assert [payment.amount for payment in reservation.payment_history] == [340, -340]
        assert reservation.status == "cancelled"
        again = cancel_reservation(db, "OLD001")
        assert [payment.amount for payment in again.payment_history] == [340, -340, -340, 340]
        assert (balance(db), db.users["ada"].reservations) == (120.0, ["OLD001"])

    def test_refuses_an_unknown_reservation(self, db: AirlineDB) -> None:
        with pytest.raises(ToolError, match="OLD002"):
            cancel_reservation(db, "OLD002")


class TestBags:
    def test_charges_only_additional_paid_bags(self, db: AirlineDB) -> None:
        assert update_reservation_baggages(db, "OLD001", 4, 2, "gift").payment_history[-1].amount == 100
        fewer = update_reservation_baggages(db, "OLD001", 3, 1, "gift")
        assert (len(fewer.payment_history), fewer.nonfree_baggages, balance(db)) == (2, 1, 20.0)

    @pytest.mark.parametrize("payment_id", ["voucher", "other", None])
    def test_needs_a_usable_payment_method_even_if_free(self, db: AirlineDB, payment_id: Any) -> None:
        with pytest.raises(ToolError):
            update_reservation_baggages(db, "OLD001", 2, 0, payment_id)

    def test_refuses_an_insufficient_gift_card(self, db: AirlineDB) -> None:
        with pytest.raises(ToolError, match="gift"):
            update_reservation_baggages(db, "OLD001", 5, 3, "gift")
        assert balance(db) == 120.0

    def test_fractional_price_fails_with_the_gift_card_charged(self, db: AirlineDB) -> None:
        before = db.reservations["OLD001"].model_dump()
        with pytest.raises(ValidationError):
            update_reservation_baggages(db, "OLD001", 2, 0.01, "gift")  # type: ignore[arg-type]
        assert (balance(db), db.reservations["OLD001"].model_dump()) == (119.5, before)

    def test_stores_arguments_unchanged(self, db: AirlineDB) -> None:
        changed = update_reservation_baggages(db, "OLD001", "many", 0.5, "card")  # type: ignore[arg-type]
        assert repr((changed.total_baggages, changed.nonfree_baggages)) == "('many', 0.5)"
        assert repr(changed.payment_history[-1].amount) == "25"


class TestFlights:
    def test_kept_flight_keeps_its_price_and_needs_no_seat(self, db: AirlineDB) -> None:
        changed = update_reservation_flights(db, "OLD001", "economy", [{**OUT, "date": "2024-05-21"}, BACK], "card")
        assert [taken.price for taken in changed.flights] == [150, 80]
        assert changed.payment_history[-1].amount == 120  # (150 - 90) * 2
        assert (seats(db, "F1", "2024-05-21"), seats(db, "F2", "2024-05-22")) == (5, 1)

    def test_nothing_due_leaves_no_payment(self, db: AirlineDB) -> None:
        assert len(update_reservation_flights(db, "OLD001", "economy", [OUT, BACK], "gift").payment_history) == 1

    def test_new_cabin_checks_every_flight_again(self, db: AirlineDB) -> None:
        with pytest.raises(ToolError, match="F2"):
            update_reservation_flights(db, "OLD001", "business", [OUT, BACK], "card")
        assert db.reservations["OLD001"].cabin == "economy"

    def test_refund_goes_to_the_gift_card(self, db: AirlineDB) -> None:
        changed = update_reservation_flights(db, "OLD001", "basic_economy", [OUT], "gift")
        assert (changed.payment_history[-1].amount, balance(db)) == (-220, 340.0)  # (60 - 170) * 2

    def test_stores_any_cabin_if_there_are_no_flights(self, db: AirlineDB) -> None:
        changed = update_reservation_flights(db, "OLD001", None, [], "card")  # type: ignore[arg-type]
        assert changed.model_dump(include={"flights", "cabin"}, warnings=False) == {"cabin": None, "flights": []}
        assert changed.payment_history[-1].amount == -340

    @pytest.mark.parametrize("payment_id", ["voucher", "other"])
    def test_refuses_other_payment_methods(self, db: AirlineDB, payment_id: str) -> None:
        with pytest.raises(ToolError):
            update_reservation_flights(db, "OLD001", "economy", [OUT, BACK], payment_id)


class TestPassengers:
    def test_replaces_the_same_number_of_passengers(self, db: AirlineDB) -> None:
        changed = update_reservation_passengers(db, "OLD001", [MAY, ADA])
        assert [passenger.first_name for passenger in changed.passengers] == ["May", "Ada"]

    @pytest.mark.parametrize("passengers", [[ADA], [], {}, 2, None, [ADA, {"first_name": "May"}]])
    def test_refuses_a_different_number_and_incomplete_passengers(self, db: AirlineDB, passengers: Any) -> None:
        with pytest.raises((ToolError, TypeError, ValidationError)):
            update_reservation_passengers(db, "OLD001", passengers)

    @pytest.mark.parametrize("passengers", ["ab", ["a", None], {"a": 1, "b": 2}, [ADA, 5]])
    def test_stores_values_without_objects_unchanged(self, db: AirlineDB, passengers: Any) -> None:
        assert update_reservation_passengers(db, "OLD001", passengers).passengers == passengers


class TestSearch:
    def test_direct_shows_bookable_flights_without_a_date(self, db: AirlineDB) -> None:
        (found,) = search_direct_flight(db, "SFO", "DEN", "2024-05-20")
        assert list(found.model_dump()) == list(DirectFlight.model_fields)
        assert (found.flight_number, found.date, found.prices["economy"]) == ("F1", None, 100)
        assert search_direct_flight(db, "SFO", "DEN", "2024-05-15") == []
        assert search_direct_flight(db, "SFO", "XXX", "2024-05-20") == []

    def test_null_matches_any_airport(self, db: AirlineDB) -> None:
        found = search_direct_flight(db, None, None, "2024-05-20")  # type: ignore[arg-type]
        assert [entry.flight_number for entry in found] == ["F1", "F2", "F3", "F4"]

    def test_invalid_date_fails_only_if_a_flight_matches(self, db: AirlineDB) -> None:
        assert search_direct_flight(db, "XXX", "DEN", []) == []  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            search_direct_flight(db, "SFO", "DEN", [])  # type: ignore[arg-type]

    def test_onestop_connects_at_equal_times_but_not_after_midnight(self, db: AirlineDB) -> None:
        pairs = search_onestop_flight(db, "SFO", None, "2024-05-20")  # type: ignore[arg-type]
        assert [[(leg.flight_number, leg.date) for leg in pair] for pair in pairs] == [
            [("F1", "2024-05-20"), ("F2", "2024-05-20")],
            [("F4", "2024-05-20"), ("F6", "2024-05-21")],
        ]

    @pytest.mark.parametrize("date", ["2024-05-08", "2024-05-31"])
    def test_onestop_finds_nothing_after_an_unpadded_day_or_the_month(self, db: AirlineDB, date: str) -> None:
        assert search_onestop_flight(db, "SFO", "JFK", date) == []


def test_certificates_are_limited_and_named_with_the_amount_as_given(db: AirlineDB, context: Context) -> None:
    text = send_certificate(db, context, "ada", True)
    assert text == "Certificate gratis_1 added to user ada with amount True."
    assert db.users["ada"].payment_methods["gratis_1"].model_dump()["amount"] == 1.0
    with pytest.raises(ValidationError):
        send_certificate(db, context, "ada", None)  # type: ignore[arg-type]
    send_certificate(db, context, "ada", 50)
    with pytest.raises(ToolError, match="certificate"):
        send_certificate(db, context, "ada", 50)
    del db.users["ada"].payment_methods["gratis_1"]
    assert "gratis_1" in send_certificate(db, context, "ada", 50)


def test_lookups_require_exact_keys(db: AirlineDB) -> None:
    assert get_user_details(db, "ada") is db.users["ada"]
    assert get_reservation_details(db, "OLD001") is db.reservations["OLD001"]
    assert get_flight_status(db, "F1", "2024-05-15") == "on time"
    assert (len(list_all_airports(db)), list_all_airports(db)[0].iata) == (20, "SFO")
    for wrong in ("Ada", "", None, 1):
        with pytest.raises(ToolError):
            get_user_details(db, wrong)  # type: ignore[arg-type]
    with pytest.raises(ToolError, match="2024-05-30"):
        get_flight_status(db, "F1", "2024-05-30")


@pytest.mark.parametrize(("expression", "value"), [("2 * (350 - 122)", "456.0"), ("1/3", "0.33"), ("-0.001", "-0.0")])
def test_calculates(db: AirlineDB, expression: str, value: str) -> None:
    assert calculate(db, expression) == value


@pytest.mark.parametrize("expression", ["", "5(3)", "()", "...", "007", "1,000", "1/0", "(-8)**(1/3)", "9**9**9", None])
def test_refuses_to_calculate(db: AirlineDB, expression: Any) -> None:
    with pytest.raises(ToolError):
        calculate(db, expression)
