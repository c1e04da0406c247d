"""Look-up of records by their exact keys. Raises ToolError for unknown keys."""

from tau2_core import ToolError

from tau2_domain_airline.models import AirlineDB, AvailableDate, Flight, FlightDate, Reservation, User


def find_user(db: AirlineDB, user_id: str) -> User:
    """Fetch a user."""
    user = db.users.get(user_id)
    if user is None:
        raise ToolError(f"there is no user {user_id!r}")
    return user


def find_reservation(db: AirlineDB, reservation_id: str) -> Reservation:
    """Fetch a reservation."""
    reservation = db.reservations.get(reservation_id)
    if reservation is None:
        raise ToolError(f"there is no reservation {reservation_id!r}")
    return reservation


def find_flight(db: AirlineDB, flight_number: str) -> Flight:
    """Fetch a flight."""
    flight = db.flights.get(flight_number)
    if flight is None:
        raise ToolError(f"there is no flight {flight_number!r}")
    return flight


def find_date(flight: Flight, date: str) -> FlightDate:
    """Fetch one date of a flight."""
    found = flight.dates.get(date)
    if found is None:
        raise ToolError(f"flight {flight.flight_number} has no date {date!r}")
    return found


def find_bookable_date(flight: Flight, date: str) -> AvailableDate:
    """Fetch one date of a flight that can still be booked."""
    found = find_date(flight, date)
    if found.status != "available":
        raise ToolError(f"flight {flight.flight_number} on {date} cannot be booked: it is {found.status}")
    return found
