"""Look up a user, a reservation, a flight's status, or the airports."""

from tau2_domain_airline.airports import AIRPORTS
from tau2_domain_airline.finding import find_date, find_flight, find_reservation, find_user
from tau2_domain_airline.models import AirlineDB, AirportCode, Reservation, User


def get_user_details(db: AirlineDB, user_id: str) -> User:
    """Show a user's profile."""
    return find_user(db, user_id)


def get_reservation_details(db: AirlineDB, reservation_id: str) -> Reservation:
    """Show a reservation."""
    return find_reservation(db, reservation_id)


def get_flight_status(db: AirlineDB, flight_number: str, date: str) -> str:
    """Return the status of a flight on a date."""
    return find_date(find_flight(db, flight_number), date).status


def list_all_airports(db: AirlineDB) -> list[AirportCode]:
    """List the airports in their fixed order."""
    return [AirportCode(iata=iata, city=city) for iata, city in AIRPORTS]
