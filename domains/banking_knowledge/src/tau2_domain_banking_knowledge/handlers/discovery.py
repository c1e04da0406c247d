"""Hidden tools: unlocking and calling them, handing them to the customer, and logging their use."""

import json
from typing import Any, Literal

from tau2_core import Context, HiddenTools, Refusal, Tool

from tau2_domain_banking_knowledge.ids import digits, put
from tau2_domain_banking_knowledge.listing import rows, text
from tau2_domain_banking_knowledge.models import BankingDB
from tau2_domain_banking_knowledge.tool_arguments import described, read_arguments, with_floats


def _hidden(context: Context, role: Literal["agent", "user"], name: str) -> tuple[HiddenTools, Tool]:
    tools = context.hidden(role)
    tool = tools.get(name)
    if tool is None:
        raise Refusal(f"there is no hidden tool {name!r} for this side; use a name from a document")
    return tools, tool


def unlock_discoverable_agent_tool(db: BankingDB, agent_tool_name: str, *, context: Context) -> str:
    """Unlock a tool; the database does not record this."""
    tools, tool = _hidden(context, "agent", agent_tool_name)
    tools.unlock(tool)
    how = "by its name" if tools.listed else "with call_discoverable_agent_tool"
    return f"{described(tool)}\nIt is unlocked. Call it {how}."


def call_discoverable_agent_tool(
    db: BankingDB, agent_tool_name: str, arguments: str = "{}", *, context: Context
) -> Any:
    """Run an unlocked tool. A tool that writes is logged as used even if it refuses, as in tau2-bench."""
    tools, tool = _hidden(context, "agent", agent_tool_name)
    if agent_tool_name not in tools.unlocked:
        raise Refusal(f"{agent_tool_name} must be unlocked first, with unlock_discoverable_agent_tool")
    values = with_floats(read_arguments(arguments))
    try:
        answer = tools.call(tool, values)
    except Refusal:
        _note_use(db, tool, context)
        raise
    except TypeError as error:
        raise Refusal(f"{agent_tool_name} cannot be called with these arguments: {error}") from error
    _note_use(db, tool, context)
    return answer


def _note_use(db: BankingDB, tool: Tool, context: Context) -> None:
    if tool.kind == "write" or tool.name in context.options["logged_reads"]:
        used = {"tool_name": tool.name, "status": "CALLED"}
        put(db.agent_discoverable_tools.data, digits(f"agent_discoverable_tool:{tool.name}", 16), used)


def list_discoverable_agent_tools(db: BankingDB) -> str:
    table = "agent_discoverable_tools"
    return f"Tools called so far:\n{text(table, rows(db, table).items())}"


def give_discoverable_user_tool(
    db: BankingDB, discoverable_tool_name: str, arguments: str = "{}", *, context: Context
) -> str:
    """Hand a tool to the customer. The arguments are only a suggestion; the customer may use others."""
    tools, tool = _hidden(context, "user", discoverable_tool_name)
    values = read_arguments(arguments)
    for name in values:
        if name not in tool.parameters["properties"] and name != "self":
            raise Refusal(f"{discoverable_tool_name} has no parameter {name!r}")
    tools.unlock(tool)
    handed = {"tool_name": tool.name, "status": "GIVEN"}
    put(db.user_discoverable_tools.data, digits(f"user_discoverable_tool:{tool.name}", 16), handed)
    return f"The customer can now call this tool, with {json.dumps(values)}:\n{described(tool)}"


def call_discoverable_user_tool(
    db: BankingDB, discoverable_tool_name: str, arguments: str = "{}", *, context: Context
) -> Any:
    """Run a tool that was handed over, for the customer."""
    tools, tool = _hidden(context, "user", discoverable_tool_name)
    values = with_floats(read_arguments(arguments))
    for name in tool.parameters["required"]:
        if name not in values:
            raise Refusal(f"{discoverable_tool_name} needs {name}")
    for name in values:
        if name not in tool.parameters["properties"]:
            raise Refusal(f"{discoverable_tool_name} has no parameter {name!r}")
    try:
        return tools.call(tool, values)
    except TypeError as error:
        raise Refusal(f"{discoverable_tool_name} cannot be called with these arguments: {error}") from error


def list_discoverable_user_tools(db: BankingDB) -> str:
    table = "user_discoverable_tools"
    return f"Tools that you have been given so far:\n{text(table, rows(db, table).items())}"
