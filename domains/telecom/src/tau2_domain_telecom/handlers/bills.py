"""List bills, and ask a customer to pay one."""

from tau2_core import ToolError, reading

from tau2_domain_telecom.finding import find_bill, find_bills_of, find_customer
from tau2_domain_telecom.models import Bill, TelecomDB


def get_bills_for_customer(db: TelecomDB, customer_id: str, limit: int = 12) -> list[Bill]:
    """List a customer's bills, newest first."""
    bills = find_bills_of(db, find_customer(db, customer_id))
    return sorted(bills, key=lambda bill: bill.issue_date, reverse=True)[:limit]


def send_payment_request(db: TelecomDB, customer_id: str, bill_id: str) -> str:
    """Ask a customer to pay a bill, whatever its status, unless another request is pending."""
    shared = reading(db)
    customer = find_customer(shared, customer_id)
    for bill in find_bills_of(shared, customer):
        if bill.status == "Awaiting Payment":
            raise ToolError(f"customer {customer_id!r} still has a payment request for another bill: {bill.bill_id}")
    if bill_id not in customer.bill_ids:
        raise ToolError(f"customer {customer_id!r} has no bill {bill_id!r}")
    find_bill(db, bill_id).status = "Awaiting Payment"
    return f"The customer has been asked to pay bill {bill_id}."
