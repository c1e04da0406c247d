"""Book a new reservation."""

from typing import Any

from tau2_core import Context

from tau2_domain_airline.conversion import as_records
from tau2_domain_airline.fares import BAG_PRICE, INSURANCE_PRICE, fare, quote
from tau2_domain_airline.finding import find_bookable_date, find_flight, find_user
from tau2_domain_airline.models import (
    AirlineDB,
    Cabin,
    FlightInfo,
    FlightType,
    Insurance,
    Passenger,
    Payment,
    Reservation,
)
from tau2_domain_airline.payments import charge_booking, check_booking


def book_reservation(
    db: AirlineDB,
    context: Context,
    user_id: str,
    origin: str,
    destination: str,
    flight_type: FlightType,
    cabin: Cabin,
    flights: list[dict[str, Any]],
    passengers: list[dict[str, Any]],
    payment_methods: list[dict[str, Any]],
    total_baggages: int,
    nonfree_baggages: int,
    insurance: Insurance,
) -> Reservation:
    """Store a reservation after its seats, its price and its payments have been checked."""
    wanted = as_records(flights, FlightInfo)
    travellers = as_records(passengers, Passenger)
    payments = as_records(payment_methods, Payment)
    user = find_user(db, user_id)
    reservation = Reservation(
        reservation_id=context.free_id("reservation", taken=db.reservations),
        user_id=user_id,
        origin=origin,
        destination=destination,
        flight_type=flight_type,
        cabin=cabin,
        flights=[],
        passengers=travellers,
        payment_history=payments,
        created_at=context.now.isoformat(),
        total_baggages=total_baggages,
        nonfree_baggages=nonfree_baggages,
        insurance=insurance,
    )
    reservation.flights = [quote(db, flight, cabin, len(travellers)) for flight in wanted]
    # The bags are charged from the argument, not from the record: text that the record accepts fails here.
    total = _seats_and_insurance(reservation) + BAG_PRICE * nonfree_baggages
    check_booking(user, payments, total)
    charge_booking(user, payments)
    _take_seats(db, reservation)
    db.reservations[reservation.reservation_id] = reservation
    user.reservations.append(reservation.reservation_id)
    return reservation


def _seats_and_insurance(reservation: Reservation) -> int:
    travellers = len(reservation.passengers)
    premium = INSURANCE_PRICE * travellers if reservation.insurance == "yes" else 0
    return fare(reservation.flights, travellers) + premium


def _take_seats(db: AirlineDB, reservation: Reservation) -> None:
    for booked in reservation.flights:
        offer = find_bookable_date(find_flight(db, booked.flight_number), booked.date)
        offer.available_seats[reservation.cabin] -= len(reservation.passengers)
