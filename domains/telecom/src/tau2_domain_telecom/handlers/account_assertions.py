"""Assertions about accounts. An id that does not exist is an error, not False."""

from tau2_core import ToolError

from tau2_domain_telecom.finding import find_bill, find_customer, find_owned_line
from tau2_domain_telecom.models import TelecomDB

TOLERANCE = 1e-6  # GB


def assert_data_refueling_amount(db: TelecomDB, customer_id: str, line_id: str, expected_amount: float) -> bool:
    """Return whether a line was refuelled by the expected number of GB in total."""
    return abs(find_owned_line(db, customer_id, line_id).data_refueling_gb - expected_amount) < TOLERANCE


def assert_line_status(db: TelecomDB, customer_id: str, line_id: str, expected_status: str) -> bool:
    """Return whether a line has the expected status."""
    return find_owned_line(db, customer_id, line_id).status == expected_status


def assert_overdue_bill_exists(db: TelecomDB, customer_id: str, overdue_bill_id: str) -> bool:
    """Return True if a bill is the customer's and overdue; anything else is an error."""
    if overdue_bill_id not in find_customer(db, customer_id).bill_ids:
        raise ToolError(f"customer {customer_id!r} has no bill {overdue_bill_id!r}")
    bill = find_bill(db, overdue_bill_id)
    if bill.status != "Overdue":
        raise ToolError(f"bill {overdue_bill_id!r} is {bill.status!r}, not overdue")
    return True


def assert_no_overdue_bill(db: TelecomDB, overdue_bill_id: str) -> bool:
    """Return whether a certain bill is paid, or does not exist."""
    return next((bill.status == "Paid" for bill in db.bills if bill.bill_id == overdue_bill_id), True)
