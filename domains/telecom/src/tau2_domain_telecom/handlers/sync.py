"""The effects of the carrier's side on the phone and the reverse, applied after every call."""

from tau2_core import reading

from tau2_domain_telecom.finding import (
    find_bill,
    find_bills_of,
    find_customer_by_phone,
    find_line_by_phone,
    find_plan,
)
from tau2_domain_telecom.models import TelecomDB
from tau2_domain_telecom.phone import PaymentRequest, PhoneDB


def sync(agent: TelecomDB, user: PhoneDB) -> None:
    """Copy line, allowance and payments between the sides, once the owner of the phone is set.

    No network is searched here: a line that was suspended keeps its signal until something searches. Raises ToolError
    if the phone's number is not a line's, after earlier changes.
    """
    carrier = reading(agent)
    phone_number = reading(user).surroundings.phone_number
    if phone_number is None:
        return
    line = find_line_by_phone(carrier, phone_number)
    _mirror(user, "line_active", line.status == "Active")
    _mirror(user, "roaming_allowed", line.roaming_enabled)
    allowance = find_plan(carrier, line.plan_id).data_limit_gb + line.data_refueling_gb
    _mirror(user, "mobile_data_usage_exceeded", line.data_used_gb >= allowance)
    _settle_payment(agent, user)
    _fetch_request(carrier, user, phone_number)


def _mirror(user: PhoneDB, field: str, value: bool) -> None:
    if getattr(reading(user).surroundings, field) is not value:
        setattr(user.surroundings, field, value)


def _settle_payment(agent: TelecomDB, user: PhoneDB) -> None:
    request = reading(user).surroundings.payment_request
    if request is not None and request.paid:
        find_bill(agent, request.bill_id).status = "Paid"
        user.surroundings.payment_request = None


def _fetch_request(carrier: TelecomDB, user: PhoneDB, phone_number: str) -> None:
    if reading(user).surroundings.payment_request is not None:
        return
    for bill in find_bills_of(carrier, find_customer_by_phone(carrier, phone_number)):
        if bill.status == "Awaiting Payment":
            user.surroundings.payment_request = PaymentRequest(bill_id=bill.bill_id, amount_due=bill.total_due)
            return
