"""The hidden tools, which only runbooks name."""

from tau2_core import ToolError

from it_desk.models import DeskDB, Employee, Laptop


def reset_second_factor(db: DeskDB, employee_id: str) -> Employee:
    """Let an employee set up the second factor again."""
    employee = db.employees.get(employee_id)
    if employee is None:
        raise ToolError(f"there is no employee {employee_id!r}")
    employee.second_factor = "to be set up"
    return employee


def wipe_laptop(db: DeskDB, laptop_id: str) -> Laptop:
    """Erase a laptop."""
    laptop = db.laptops.get(laptop_id)
    if laptop is None:
        raise ToolError(f"there is no laptop {laptop_id!r}")
    laptop.state = "wiped"
    return laptop
