"""Search bookable flights: non-stop, or with one connection."""

from collections.abc import Iterator

from tau2_domain_airline.models import AirlineDB, DirectFlight


def search_direct_flight(db: AirlineDB, origin: str, destination: str, date: str) -> list[DirectFlight]:
    """List the bookable flights between two airports on a date."""
    return list(_bookable(db, origin, destination, date))


def search_onestop_flight(db: AirlineDB, origin: str, destination: str, date: str) -> list[list[DirectFlight]]:
    """List the pairs of bookable flights that connect two airports, the first leg leaving on a date."""
    pairs = []
    for first in _bookable(db, origin, None, date):
        first.date = date
        arrival = first.scheduled_arrival_time_est
        onward_date = _day_after(date) if "+1" in arrival else date
        for second in _bookable(db, first.destination, destination, onward_date):
            # Times are compared as text, so after a "+1" arrival, a departure at the same time is missed.
            if second.scheduled_departure_time_est >= arrival:
                second.date = onward_date
                pairs.append([first, second])
    return pairs


def _bookable(db: AirlineDB, origin: str | None, destination: str | None, date: str) -> Iterator[DirectFlight]:
    """Yield bookable flights in the order of the database; None stands for any airport."""
    for flight in db.flights.values():
        if origin is not None and flight.origin != origin:
            continue
        if destination is not None and flight.destination != destination:
            continue
        offer = flight.dates.get(date)
        if offer is None or offer.status != "available":
            continue
        yield DirectFlight(
            flight_number=flight.flight_number,
            origin=flight.origin,
            destination=flight.destination,
            scheduled_departure_time_est=flight.scheduled_departure_time_est,
            scheduled_arrival_time_est=flight.scheduled_arrival_time_est,
            available_seats=offer.available_seats,
            prices=offer.prices,
        )


def _day_after(date: str) -> str:
    # For parity: always in May 2024, and not padded, so the 1st to the 8th and the 31st have no next day.
    return f"2024-05-{int(date[-2:]) + 1}"
