"""The records of the airline. Tool results show the fields in this order."""

from typing import Annotated, Literal

from pydantic import Field
from tau2_core import Database, Record

Cabin = Literal["business", "economy", "basic_economy"]
FlightType = Literal["round_trip", "one_way"]
Insurance = Literal["yes", "no"]


class AvailableDate(Record):
    """A departure that can still be booked."""

    status: Literal["available"]
    available_seats: dict[Cabin, int]
    prices: dict[Cabin, int]


class LandedDate(Record):
    """A departure that has arrived."""

    status: Literal["landed"]
    actual_departure_time_est: str
    actual_arrival_time_est: str


class CancelledDate(Record):
    """A departure that does not take place."""

    status: Literal["cancelled"]


class DelayedDate(Record):
    """A departure that will be late."""

    status: Literal["delayed"]
    estimated_departure_time_est: str
    estimated_arrival_time_est: str


class FlyingDate(Record):
    """A departure that is in the air."""

    status: Literal["flying"]
    actual_departure_time_est: str
    estimated_arrival_time_est: str


class OnTimeDate(Record):
    """A departure of today that keeps its timetable and is closed for booking."""

    status: Literal["on time"]
    estimated_departure_time_est: str
    estimated_arrival_time_est: str


FlightDate = Annotated[
    AvailableDate | LandedDate | CancelledDate | DelayedDate | FlyingDate | OnTimeDate,
    Field(discriminator="status"),
]


class Flight(Record):
    """A flight number, its timetable, and its state date by date; a `+1` in the arrival means the next day."""

    flight_number: str
    origin: str
    destination: str
    scheduled_departure_time_est: str
    scheduled_arrival_time_est: str
    dates: dict[str, FlightDate]


class Name(Record):
    """A person's name."""

    first_name: str
    last_name: str


class Address(Record):
    """A postal address."""

    address1: str
    address2: str | None = None
    city: str
    country: str
    state: str
    zip: str


class CreditCard(Record):
    """A user's credit card; its balance is unknown."""

    source: Literal["credit_card"]
    id: str
    brand: str
    last_four: str


class GiftCard(Record):
    """A balance that payments reduce and refunds raise."""

    source: Literal["gift_card"]
    id: str
    amount: float


class Certificate(Record):
    """A travel voucher, used up by a single booking."""

    source: Literal["certificate"]
    id: str
    amount: float


PaymentMethod = Annotated[CreditCard | GiftCard | Certificate, Field(discriminator="source")]


class Passenger(Record):
    """A traveller."""

    first_name: str
    last_name: str
    dob: str


class User(Record):
    """A customer with a profile."""

    user_id: str
    name: Name
    address: Address
    email: str
    dob: str
    payment_methods: dict[str, PaymentMethod]
    saved_passengers: list[Passenger]
    membership: Literal["gold", "silver", "regular"]
    reservations: list[str]


class ReservationFlight(Record):
    """A flight of a reservation, at the price for one passenger when it was taken."""

    flight_number: str
    origin: str
    destination: str
    date: str
    price: int


class Payment(Record):
    """A payment, or a refund if the amount is negative."""

    payment_id: str
    amount: int


class Reservation(Record):
    """A booked journey of one or more passengers."""

    reservation_id: str
    user_id: str
    origin: str
    destination: str
    flight_type: FlightType
    cabin: Cabin
    flights: list[ReservationFlight]
    passengers: list[Passenger]
    payment_history: list[Payment]
    created_at: str
    total_baggages: int
    nonfree_baggages: int
    insurance: Insurance
    status: Literal["cancelled"] | None = None


class FlightInfo(Record):
    """A flight as tools take it in an argument."""

    flight_number: str
    date: str


class DirectFlight(Record):
    """A bookable flight as a search shows it."""

    flight_number: str
    origin: str
    destination: str
    status: Literal["available"] = "available"
    scheduled_departure_time_est: str
    scheduled_arrival_time_est: str
    date: str | None = None
    available_seats: dict[Cabin, int]
    prices: dict[Cabin, int]


class AirportCode(Record):
    """An airport that the airline serves."""

    iata: str
    city: str


class AirlineDB(Database):
    """The database."""

    flights: dict[str, Flight]
    users: dict[str, User]
    reservations: dict[str, Reservation]
