"""Billing cycles, which are calendar months, and the bills for charges."""

from datetime import date, timedelta
from typing import NamedTuple

from tau2_core import Context, ToolError, reading

from tau2_domain_telecom.finding import find_bill, find_bills_of, find_customer
from tau2_domain_telecom.models import Bill, LineItem, Plan, TelecomDB

DUE_AFTER = timedelta(days=14)  # from the day of issue, which is the first of the cycle


class Cycle(NamedTuple):
    """The first and the last day of a month."""

    start: date
    end: date


def cycle_of(day: date) -> Cycle:
    """Return the cycle of a day."""
    start = day.replace(day=1)
    return Cycle(start, (start + timedelta(days=31)).replace(day=1) - timedelta(days=1))


def cycle_before(day: date) -> Cycle:
    """Return the cycle before that of a day."""
    return cycle_of(day.replace(day=1) - timedelta(days=1))


def cycle_after(day: date) -> Cycle:
    """Return the cycle after that of a day."""
    return cycle_of(cycle_of(day).end + timedelta(days=1))


def new_bill(bill_id: str, customer_id: str, cycle: Cycle) -> Bill:
    """Return an empty draft for a cycle, not stored yet."""
    return Bill(
        bill_id=bill_id,
        customer_id=customer_id,
        period_start=cycle.start,
        period_end=cycle.end,
        issue_date=cycle.start,
        total_due=0,
        due_date=cycle.start + DUE_AFTER,
    )


def overdue_bill(bill_id: str, customer_id: str, line_id: str, plan: Plan, today: date) -> Bill:
    """Return an overdue bill of the last cycle for one line's monthly price, not stored yet."""
    bill = new_bill(bill_id, customer_id, cycle_before(today))
    bill.status = "Overdue"
    _add(bill, f"Charge for line {line_id}", plan.price_per_month, today)
    return bill


def store(db: TelecomDB, bill: Bill) -> None:
    """Add a bill to the database and to its customer's account."""
    find_customer(db, bill.customer_id).bill_ids.append(bill.bill_id)
    db.bills.append(bill)


def book(db: TelecomDB, context: Context, customer_id: str, description: str, amount: float) -> None:
    """Add a charge to a customer's first draft bill, or to a new one for the next cycle.

    Raises ToolError if a bill of the account does not exist.
    """
    shared = reading(db)
    drafts = [bill for bill in find_bills_of(shared, find_customer(shared, customer_id)) if bill.status == "Draft"]
    today = context.now.date()
    if drafts:
        bill_id = drafts[0].bill_id
    else:
        bill_id = context.free_id("bill", taken={bill.bill_id for bill in shared.bills})
        store(db, new_bill(bill_id, customer_id, cycle_after(today)))
    _add(find_bill(db, bill_id), description, amount, today)


def check_nothing_overdue(db: TelecomDB, customer_id: str) -> None:
    """Raise ToolError if a customer has an overdue bill, or one that does not exist."""
    for bill in find_bills_of(db, find_customer(db, customer_id)):
        if bill.status == "Overdue":
            raise ToolError(f"customer {customer_id!r} already has an overdue bill: {bill.bill_id}")


def _add(bill: Bill, description: str, amount: float, day: date) -> None:
    kind = "Credit" if amount < 0 else "Charge"
    bill.line_items.append(LineItem(description=description, amount=amount, date=day, item_type=kind))
    bill.total_due += amount
