"""The prices of seats and extras."""

from collections.abc import Sequence

from tau2_core import ToolError, reading

from tau2_domain_airline.finding import find_bookable_date, find_flight
from tau2_domain_airline.models import AirlineDB, Cabin, FlightInfo, ReservationFlight

INSURANCE_PRICE = 30
BAG_PRICE = 50


def quote(db: AirlineDB, wanted: FlightInfo, cabin: Cabin, travellers: int) -> ReservationFlight:
    """Return a flight at its current fare. Raises ToolError if it cannot be booked or has too few seats."""
    flight = find_flight(reading(db), wanted.flight_number)
    offer = find_bookable_date(flight, wanted.date)
    place = f"{cabin} on flight {wanted.flight_number} on {wanted.date}"
    seats, price = offer.available_seats.get(cabin), offer.prices.get(cabin)
    if seats is None or price is None:
        raise ToolError(f"there is no {place}")
    if seats < travellers:
        raise ToolError(f"{seats} seats are left in {place}: {travellers} are needed")
    return ReservationFlight(
        flight_number=wanted.flight_number,
        origin=flight.origin,
        destination=flight.destination,
        date=wanted.date,
        price=price,
    )


def fare(flights: Sequence[ReservationFlight], travellers: int) -> int:
    """Return the price of the flights for all travellers, in dollars."""
    return sum(flight.price for flight in flights) * travellers
