"""The listed tools: looking up an employee, unlocking and running hidden tools, handing over."""

from typing import Any

from tau2_core import Context, ToolError, reading

from it_desk.models import DeskDB


def look_up_employee(db: DeskDB, email: str) -> dict[str, Any]:
    """Return an employee and their laptops."""
    for employee in reading(db).employees.values():
        if employee.email == email:
            laptops = [each for each in reading(db).laptops.values() if each.employee_id == employee.employee_id]
            return {"employee": employee, "laptops": laptops}
    raise ToolError(f"there is no employee with the email address {email!r}")


def unlock_tool(db: DeskDB, name: str, *, context: Context) -> dict[str, Any]:
    """Unlock a hidden tool for the rest of the episode."""
    tools = context.hidden("agent")
    tool = tools.get(name)
    if tool is None:
        raise ToolError(f"no runbook names a tool {name!r}")
    tools.unlock(tool)
    return {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters["properties"])}


def run_tool(db: DeskDB, name: str, arguments: dict[str, Any], *, context: Context) -> Any:
    """Run a hidden tool that has been unlocked."""
    tools = context.hidden("agent")
    tool = tools.get(name)
    if tool is None or name not in tools.unlocked:
        raise ToolError(f"{name!r} is not unlocked")
    return tools.call(tool, arguments)


def transfer_to_security(db: DeskDB, summary: str) -> str:
    """Hand the caller over."""
    return "The security team takes over."
