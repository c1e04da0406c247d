"""Fetch a record by its id, or fail the call. Lists are searched in order; the first match wins."""

from collections.abc import Iterable
from typing import TypeVar

from tau2_core import Record, ToolError, reading

from tau2_domain_telecom.models import Bill, Customer, Device, Line, Plan, TelecomDB

Row = TypeVar("Row", bound=Record)


def find_customer(db: TelecomDB, customer_id: str) -> Customer:
    """Return a customer. Raises ToolError if there is none of that id."""
    return _first(db.customers, "customer_id", customer_id, "customer")


def find_line(db: TelecomDB, line_id: str) -> Line:
    """Return a line. Raises ToolError if there is none of that id."""
    return _first(db.lines, "line_id", line_id, "line")


def find_line_by_phone(db: TelecomDB, phone_number: str) -> Line:
    """Return the line with a phone number. Raises ToolError if there is none."""
    return _first(db.lines, "phone_number", phone_number, "line with the number")


def find_plan(db: TelecomDB, plan_id: str) -> Plan:
    """Return a plan. Raises ToolError if there is none of that id."""
    return _first(db.plans, "plan_id", plan_id, "plan")


def find_bill(db: TelecomDB, bill_id: str) -> Bill:
    """Return a bill. Raises ToolError if there is none of that id."""
    return _first(db.bills, "bill_id", bill_id, "bill")


def find_device(db: TelecomDB, device_id: str) -> Device:
    """Return a device. Raises ToolError if there is none of that id."""
    return _first(db.devices, "device_id", device_id, "device")


def find_owned_line(db: TelecomDB, customer_id: str, line_id: str) -> Line:
    """Return a customer's line. Raises ToolError if customer or line do not exist or do not belong together."""
    if line_id not in find_customer(reading(db), customer_id).line_ids:
        raise ToolError(f"customer {customer_id!r} has no line {line_id!r}")
    return find_line(db, line_id)


def find_bills_of(db: TelecomDB, customer: Customer) -> list[Bill]:
    """Return a customer's bills in the order of the account. Raises ToolError if one of them does not exist."""
    return [find_bill(db, bill_id) for bill_id in customer.bill_ids]


def find_customer_by_phone(db: TelecomDB, phone_number: str) -> Customer:
    """Return the customer with a number as contact or on a line. Raises ToolError if there is none."""
    for customer in db.customers:
        if customer.phone_number == phone_number:
            return customer
        for line_id in customer.line_ids:
            if find_line(db, line_id).phone_number == phone_number:
                return customer
    raise ToolError(f"no customer has the phone number {phone_number!r}")


def _first(rows: Iterable[Row], field: str, value: object, noun: str) -> Row:
    for row in rows:
        if getattr(row, field) == value:
            return row
    raise ToolError(f"there is no {noun} {value!r}")
