"""Show a line's data usage, and refuel its allowance."""

from typing import Any

from tau2_core import Context, ToolError, reading

from tau2_domain_telecom.billing import book, cycle_of
from tau2_domain_telecom.finding import find_owned_line, find_plan
from tau2_domain_telecom.models import TelecomDB


def get_data_usage(db: TelecomDB, context: Context, customer_id: str, line_id: str) -> dict[str, Any]:
    """Show a line's usage and allowance in the current cycle."""
    line = find_owned_line(db, customer_id, line_id)
    return {
        "line_id": line_id,
        "data_used_gb": line.data_used_gb,
        "data_limit_gb": find_plan(db, line.plan_id).data_limit_gb,
        "data_refueling_gb": line.data_refueling_gb,
        "cycle_end_date": cycle_of(context.now.date()).end,
    }


def refuel_data(db: TelecomDB, context: Context, customer_id: str, line_id: str, gb_amount: float) -> dict[str, Any]:
    """Add to a line's allowance and charge the price on the customer's draft bill."""
    line = find_owned_line(db, customer_id, line_id)
    if gb_amount <= 0:
        raise ToolError(f"the amount must be more than 0 GB, not {gb_amount!r}")
    price = find_plan(reading(db), line.plan_id).data_refueling_price_per_gb
    charge = gb_amount * price
    line.data_refueling_gb += gb_amount
    book(db, context, customer_id, f"Data refueling: {gb_amount} GB at ${price}/GB", charge)
    return {
        "message": f"Line {line_id} has {gb_amount} GB more, for ${charge:.2f}.",
        "new_data_refueling_gb": line.data_refueling_gb,
        "charge": charge,
    }
