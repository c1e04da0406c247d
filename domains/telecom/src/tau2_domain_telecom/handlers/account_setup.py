"""Setting up accounts at the start of tasks."""

from tau2_core import Context, ToolError, reading

from tau2_domain_telecom.billing import check_nothing_overdue, cycle_before, overdue_bill, store
from tau2_domain_telecom.finding import find_line, find_owned_line, find_plan
from tau2_domain_telecom.models import TelecomDB


def get_available_plan_ids(db: TelecomDB) -> list[str]:
    """List the ids of all plans."""
    return [plan.plan_id for plan in reading(db).plans]


def set_data_usage(db: TelecomDB, customer_id: str, line_id: str, data_used_gb: float) -> str:
    """Set how much data a line has used, in GB. The type is kept: 15 and 15.0 give different databases."""
    find_owned_line(db, customer_id, line_id).data_used_gb = data_used_gb
    return f"Line {line_id} has used {data_used_gb} GB."


def suspend_line_for_overdue_bill(
    db: TelecomDB, context: Context, customer_id: str, line_id: str, new_bill_id: str, contract_ended: bool
) -> str:
    """Suspend a line over an unpaid bill of the last cycle; with `contract_ended`, its contract ended then, too."""
    line = find_line(db, line_id)
    if line.status != "Active":
        raise ToolError(f"line {line_id!r} is {line.status!r}; only an active line can be suspended")
    plan = find_plan(reading(db), line.plan_id)
    if not plan.price_per_month > 0:
        raise ToolError(f"plan {plan.plan_id!r} costs nothing, so no bill can be overdue")
    check_nothing_overdue(reading(db), customer_id)
    today = context.now.date()
    store(db, overdue_bill(new_bill_id, customer_id, line_id, plan, today))
    line.status = "Suspended"
    line.suspension_start_date = today
    if contract_ended:
        line.contract_end_date = cycle_before(today).end
    return f"Line {line_id} is suspended, and bill {new_bill_id} is overdue."
