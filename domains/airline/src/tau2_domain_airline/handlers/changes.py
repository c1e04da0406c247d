"""Change the bags, the flights or the passengers of a reservation."""

from copy import deepcopy
from typing import Any

from tau2_core import ToolError

from tau2_domain_airline.conversion import as_records
from tau2_domain_airline.fares import BAG_PRICE, fare, quote
from tau2_domain_airline.finding import find_reservation, find_user
from tau2_domain_airline.models import (
    AirlineDB,
    Cabin,
    FlightInfo,
    Passenger,
    Payment,
    Reservation,
    ReservationFlight,
)
from tau2_domain_airline.payments import settle_change


def update_reservation_baggages(
    db: AirlineDB, reservation_id: str, total_baggages: int, nonfree_baggages: int, payment_id: str
) -> Reservation:
    """Set the bag counts and charge additional paid bags."""
    reservation = find_reservation(db, reservation_id)
    user = find_user(db, reservation.user_id)
    total = BAG_PRICE * max(0, nonfree_baggages - reservation.nonfree_baggages)
    _record(reservation, settle_change(user, payment_id, total))
    reservation.total_baggages = total_baggages
    reservation.nonfree_baggages = nonfree_baggages
    return reservation


def update_reservation_flights(
    db: AirlineDB, reservation_id: str, cabin: Cabin, flights: list[dict[str, Any]], payment_id: str
) -> Reservation:
    """Replace all flights and the cabin, and charge or refund the difference; seats in flights stay as they are."""
    wanted = as_records(flights, FlightInfo)
    reservation = find_reservation(db, reservation_id)
    user = find_user(db, reservation.user_id)
    travellers = len(reservation.passengers)
    kept = _kept(reservation, cabin)
    chosen = [kept.get((each.flight_number, each.date)) or quote(db, each, cabin, travellers) for each in wanted]
    total = fare(chosen, travellers) - fare(reservation.flights, travellers)
    _record(reservation, settle_change(user, payment_id, total))
    reservation.flights = chosen
    reservation.cabin = cabin
    return reservation


def update_reservation_passengers(db: AirlineDB, reservation_id: str, passengers: list[dict[str, Any]]) -> Reservation:
    """Replace the passengers with the same number of others."""
    travellers = as_records(passengers, Passenger)
    reservation = find_reservation(db, reservation_id)
    if len(travellers) != len(reservation.passengers):
        raise ToolError(
            f"reservation {reservation_id} is for {len(reservation.passengers)} passengers, not for {len(travellers)}"
        )
    reservation.passengers = deepcopy(travellers)
    return reservation


def _kept(reservation: Reservation, cabin: Cabin) -> dict[tuple[str, str], ReservationFlight]:
    """Return the flights that keep price and seat, by number and date: all of them in an unchanged cabin, else none."""
    if cabin != reservation.cabin:
        return {}
    # Of duplicates, the first counts.
    return {(flight.flight_number, flight.date): flight for flight in reversed(reservation.flights)}


def _record(reservation: Reservation, payment: Payment | None) -> None:
    if payment is not None:
        reservation.payment_history.append(payment)
