"""Suspending and resuming lines, and their roaming."""

from typing import Any

from tau2_core import Context, ToolError

from tau2_domain_telecom.finding import find_owned_line
from tau2_domain_telecom.models import TelecomDB

HOLDING_FEE = 5  # dollars per month; mentioned, but never charged


def suspend_line(db: TelecomDB, context: Context, customer_id: str, line_id: str, reason: str) -> dict[str, Any]:
    """Suspend an active line from today on."""
    line = find_owned_line(db, customer_id, line_id)
    if line.status != "Active":
        raise ToolError(f"line {line_id!r} is {line.status!r}; only an active line can be suspended")
    line.status = "Suspended"
    line.suspension_start_date = context.now.date()
    message = f"Line {line_id} is suspended. A holding fee of ${HOLDING_FEE} a month applies meanwhile."
    return {"message": message, "line": line}


def resume_line(db: TelecomDB, customer_id: str, line_id: str) -> dict[str, Any]:
    """Make a suspended or pending line active; debts and the contract are ignored."""
    line = find_owned_line(db, customer_id, line_id)
    if line.status not in ("Suspended", "Pending Activation"):
        raise ToolError(f"line {line_id!r} is {line.status!r}; only a suspended or pending line can be resumed")
    line.status = "Active"
    line.suspension_start_date = None
    return {"message": f"Line {line_id} is active again.", "line": line}


def enable_roaming(db: TelecomDB, customer_id: str, line_id: str) -> str:
    """Enable roaming for a line."""
    line = find_owned_line(db, customer_id, line_id)
    if line.roaming_enabled:
        return f"Roaming was already on for line {line_id}."
    line.roaming_enabled = True
    return f"Roaming is now on for line {line_id}."


def disable_roaming(db: TelecomDB, customer_id: str, line_id: str) -> str:
    """Disable roaming for a line."""
    line = find_owned_line(db, customer_id, line_id)
    if not line.roaming_enabled:
        return f"Roaming was already off for line {line_id}."
    line.roaming_enabled = False
    return f"Roaming is now off for line {line_id}."
