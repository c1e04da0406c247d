"""The carrier's records. Tool results show the fields in this order."""

from datetime import date, datetime
from typing import Literal

from pydantic import Field
from tau2_core import Database

from tau2_domain_telecom.records import StrictRecord

DeviceType = Literal["phone", "router", "tablet", "watch", "other"]
LineStatus = Literal["Active", "Suspended", "Pending Activation", "Closed"]
BillStatus = Literal["Draft", "Issued", "Awaiting Payment", "Paid", "Overdue", "Disputed"]
AccountStatus = Literal["Active", "Suspended", "Pending Verification", "Closed"]
PaymentMethodType = Literal["Credit Card", "Debit Card", "PayPal"]


class Plan(StrictRecord):
    """The monthly price of a line, and its included data."""

    plan_id: str
    name: str
    data_limit_gb: float
    price_per_month: float
    data_refueling_price_per_gb: float


class Device(StrictRecord):
    """A device in the carrier's records; its settings are on the customer's side (phone.py)."""

    device_id: str
    device_type: DeviceType
    model: str
    imei: str | None = None
    is_esim_capable: bool
    activated: bool = False
    activation_date: datetime | None = None
    last_esim_transfer_date: datetime | None = None


class Line(StrictRecord):
    """A phone number with its plan, its device and its usage in the current cycle."""

    line_id: str
    phone_number: str
    status: LineStatus = "Pending Activation"
    plan_id: str
    device_id: str | None = None
    data_used_gb: float = 0.0
    data_refueling_gb: float = 0.0
    roaming_enabled: bool = False
    contract_end_date: date | None = None
    last_plan_change_date: date | None = None
    last_sim_replacement_date: date | None = None
    suspension_start_date: date | None = None


class LineItem(StrictRecord):
    """One item of a bill; a negative amount is a credit."""

    description: str
    amount: float
    date: date
    item_type: str


class Bill(StrictRecord):
    """A customer's bill for one cycle."""

    bill_id: str
    customer_id: str
    period_start: date
    period_end: date
    issue_date: date
    total_due: float
    due_date: date
    line_items: list[LineItem] = Field(default_factory=list)
    status: BillStatus = "Draft"


class Address(StrictRecord):
    """A postal address."""

    street: str
    city: str
    state: str
    zip_code: str


class PaymentMethod(StrictRecord):
    """A payment method; `expiration_date` is MM/YYYY."""

    method_type: PaymentMethodType
    account_number_last_4: str
    expiration_date: str


class Customer(StrictRecord):
    """An account holder, with the ids of their lines and bills; `date_of_birth` is YYYY-MM-DD."""

    customer_id: str
    full_name: str
    date_of_birth: str
    email: str
    phone_number: str
    address: Address
    account_status: AccountStatus = "Pending Verification"
    payment_methods: list[PaymentMethod] = Field(default_factory=list)
    line_ids: list[str] = Field(default_factory=list)
    bill_ids: list[str] = Field(default_factory=list)
    created_at: datetime = datetime(2025, 1, 1)
    last_extension_date: date | None = None
    goodwill_credit_used_this_year: float = 0.0


class TelecomDB(Database):
    """The carrier's database. Tables are lists, since searches and hashes depend on their order."""

    plans: list[Plan] = Field(default_factory=list)
    customers: list[Customer] = Field(default_factory=list)
    lines: list[Line] = Field(default_factory=list)
    bills: list[Bill] = Field(default_factory=list)
    devices: list[Device] = Field(default_factory=list)
