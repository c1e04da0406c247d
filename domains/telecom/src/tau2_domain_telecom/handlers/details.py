"""Show any record."""

from collections.abc import Callable, Mapping

from tau2_core import ToolError

from tau2_domain_telecom.finding import find_bill, find_customer, find_device, find_line, find_plan
from tau2_domain_telecom.models import Bill, Customer, Device, Line, Plan, TelecomDB

_FINDERS: Mapping[str, Callable[[TelecomDB, str], Bill | Customer | Device | Line | Plan]] = {
    "L": find_line,
    "D": find_device,
    "B": find_bill,
    "C": find_customer,
    "P": find_plan,
}


def get_details_by_id(db: TelecomDB, id: str) -> Bill | Customer | Device | Line | Plan:
    """Return the record of an id; its first letter gives the type."""
    find = _FINDERS.get(id[:1])
    if find is None:
        raise ToolError(f"{id!r} is not an id: ids start with {', '.join(_FINDERS)}")
    return find(db, id)
