"""The Python code of a pack's handlers that call a wrapped domain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from keyword import iskeyword

from tau2_core.adapters.tau2_python.tools import Default, SourceFunction, SourceTool
from tau2_core.model.tools import Role

WIDTH = 120
TAKEN = ("db", "context")  # parameters that every handler may have
SYNC = '''"""What runs after every call."""

from typing import Any

from tau2_core import wrapped_environment


def sync(agent: Any, user: Any = None) -> None:  # the second is None for a customer without tools
    """Carry effects from one database to the other, as the wrapped domain does."""
    wrapped_environment(agent).sync_tools()
'''
_TOOLS_HEAD = '''"""The tools of the {whose}. Each calls the wrapped domain, until you move its code here."""

from typing import Any

from tau2_core import ToolError, wrapped_environment


'''
_TOOLS_TAIL = """


def _call(db: Any, tool: str, /, **arguments: Any) -> Any:
    try:
        return wrapped_environment(db).{tools}.use_tool(tool, **arguments)
    except ValueError as error:  # how its tools refuse a call
        raise ToolError(str(error)) from error
"""
_FUNCTIONS_HEAD = '''"""Set-up calls and assertions of tasks. Each calls the wrapped domain, until it is moved."""

from typing import Any

from tau2_core import wrapped_environment


'''
_WHOSE: Mapping[Role, str] = {"agent": "agent", "user": "customer"}
_TOOLS: Mapping[Role, str] = {"agent": "tools", "user": "user_tools"}


def tools_code(role: Role, tools: Sequence[SourceTool]) -> str:
    """Return a module with the handlers of one side's tools."""
    functions = [
        _function(function_name(tool.name), tool.parameters, tool.defaults, f'_call(db, "{tool.name}"', tool.name)
        for tool in tools
    ]
    return _TOOLS_HEAD.format(whose=_WHOSE[role]) + "\n\n\n".join(functions) + _TOOLS_TAIL.format(tools=_TOOLS[role])


def functions_code(functions: Sequence[SourceFunction]) -> str:
    """Return a module with the handlers of the functions that tasks name."""
    code = []
    for each in functions:
        call = f"wrapped_environment(db).{_TOOLS[each.role]}.{each.name}("
        code.append(_function(function_name(each.name), each.parameters, each.defaults, call, each.name))
    return _FUNCTIONS_HEAD + "\n\n\n".join(code) + "\n"


def function_name(name: str) -> str:
    """Return the handler's name for a tool or function: public, and a Python name."""
    plain = name.replace("-", "_").lstrip("_") or "call"
    return f"{plain}_" if iskeyword(plain) else plain


def parameter_name(name: str) -> str:
    """Return the handler's name for a parameter."""
    plain = name if name.isidentifier() else "".join(letter if letter.isalnum() else "_" for letter in name)
    plain = plain if plain.isidentifier() else f"_{plain}"
    return f"{plain}_" if plain in TAKEN or iskeyword(plain) else plain


def _function(name: str, parameters: Iterable[str], defaults: Mapping[str, Default], call: str, about: str) -> str:
    """Return a function that passes its arguments on, except None for a default that is not a literal."""
    ordered = sorted(parameters, key=lambda each: each in defaults)
    taken = ["db: Any"]
    given: list[str] = []
    for each in ordered:
        own = parameter_name(each)
        code = defaults[each].code if each in defaults else ""
        if code is None:
            taken.append(f"{own}: Any = None")
            given.append(f'**({{}} if {own} is None else {{"{each}": {own}}})')
        else:
            taken.append(f"{own}: Any = {code}" if code else f"{own}: Any")
            given.append(f"{each}={own}" if each == own or each.isidentifier() else f'**{{"{each}": {own}}}')
    start = call if call.endswith("(") else f"{call}, " if given else call
    lines = [_fitted(f"def {name}(", taken, ") -> Any:", ""), f'    """Call `{about}` of the wrapped domain."""']
    return "\n".join([*lines, _fitted(f"    return {start}", given, ")", "    ")])


def _fitted(start: str, parts: Sequence[str], end: str, indent: str) -> str:
    line = f"{start}{', '.join(parts)}{end}"
    if len(line) <= WIDTH:
        return line
    inner = "".join(f"{indent}    {part},\n" for part in parts)
    return f"{start.rstrip()}\n{inner}{indent}{end}"
