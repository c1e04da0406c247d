"""A small hand-made world: one user, one reservation, and flights with awkward connections."""

from datetime import datetime
from typing import Any

import pytest
from tau2_core import Context
from tau2_domain_airline.models import AirlineDB


def offer(seats: int = 5, economy: int = 100) -> dict[str, Any]:
    return {
        "status": "available",
        "available_seats": {"basic_economy": seats, "economy": seats, "business": seats},
        "prices": {"basic_economy": 60, "economy": economy, "business": 300},
    }


def flight(number: str, origin: str, destination: str, leaves: str, lands: str, **dates: Any) -> dict[str, Any]:
    return {
        "flight_number": number,
        "origin": origin,
        "destination": destination,
        "scheduled_departure_time_est": leaves,
        "scheduled_arrival_time_est": lands,
        "dates": {f"2024-05-{day.removeprefix('d')}": state for day, state in dates.items()},
    }


@pytest.fixture
def db() -> AirlineDB:
    late = {
        "status": "on time",
        "estimated_departure_time_est": "2024-05-15T18:00:00",
        "estimated_arrival_time_est": "2024-05-15T20:00:00",
    }
    flights = [
        flight("F1", "SFO", "DEN", "08:00:00", "10:00:00", d15=late, d20=offer(), d21=offer(economy=150)),
        flight("F2", "DEN", "SFO", "10:00:00", "12:00:00", d20=offer(), d22=offer(seats=1)),
        flight("F3", "DEN", "JFK", "09:59:59", "15:00:00", d20=offer(seats=0)),
        flight("F4", "SFO", "SEA", "23:00:00", "01:30:00+1", d08=offer(), d20=offer(), d31=offer()),
        flight("F5", "SEA", "JFK", "01:30:00", "07:00:00", d21=offer()),
        flight("F6", "SEA", "JFK", "01:31:00", "07:00:00", d09=offer(), d21=offer()),
    ]
    ada = {
        "user_id": "ada",
        "name": {"first_name": "Ada", "last_name": "Byron"},
        "address": {"address1": "1 Elm St", "city": "Denver", "country": "USA", "state": "CO", "zip": "80014"},
        "email": "ada@example.com",
        "dob": "1985-12-10",
        "payment_methods": {
            "card": {"source": "credit_card", "id": "card", "brand": "visa", "last_four": "1234"},
            "gift": {"source": "gift_card", "id": "gift", "amount": 120},
            "voucher": {"source": "certificate", "id": "voucher", "amount": 100},
        },
        "saved_passengers": [],
        "membership": "regular",
        "reservations": ["OLD001"],
    }
    old = {
        "reservation_id": "OLD001",
        "user_id": "ada",
        "origin": "SFO",
        "destination": "DEN",
        "flight_type": "round_trip",
        "cabin": "economy",
        "flights": [
            {"flight_number": "F1", "date": "2024-05-20", "origin": "SFO", "destination": "DEN", "price": 90},
            {"flight_number": "F2", "date": "2024-05-22", "origin": "DEN", "destination": "SFO", "price": 80},
        ],
        "passengers": [
            {"first_name": "Ada", "last_name": "Byron", "dob": "1985-12-10"},
            {"first_name": "May", "last_name": "Ito", "dob": "1990-01-02"},
        ],
        "payment_history": [{"payment_id": "card", "amount": 340}],
        "created_at": "2024-05-10T10:00:00",
        "total_baggages": 2,
        "nonfree_baggages": 0,
        "insurance": "no",
    }
    return AirlineDB.model_validate(
        {
            "flights": {entry["flight_number"]: entry for entry in flights},
            "users": {"ada": ada},
            "reservations": {"OLD001": old},
        }
    )


@pytest.fixture
def context() -> Context:
    ids = {"reservation": ["NEW001", "NEW002"], "certificate": ["gratis_1", "gratis_2"]}
    return Context(datetime(2024, 5, 15, 15), ids)
