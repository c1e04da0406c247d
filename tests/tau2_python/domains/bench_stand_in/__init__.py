"""A stand-in for tau2-bench, which is not installed where the tests run: what its documentation promises domains.

It is written from that contract alone and shares no code with tau2-gym, so calls recorded from it prove something.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, create_model


class ToolType(StrEnum):
    READ = "read"
    WRITE = "write"
    THINK = "think"
    GENERIC = "generic"


def is_tool(tool_type: ToolType = ToolType.READ, mutates_state: bool | None = None) -> Any:
    def mark(method: Any) -> Any:
        method.marks = (tool_type, tool_type is ToolType.WRITE if mutates_state is None else mutates_state)
        return method

    return mark


class DB(BaseModel):
    model_config = ConfigDict(extra="forbid")

    def get_hash(self) -> str:
        return hashlib.sha256(
            json.dumps(self.model_dump(warnings=False), sort_keys=True, default=str).encode()
        ).hexdigest()


class Tool:
    def __init__(self, method: Any) -> None:
        self.name = method.__name__
        fields: dict[str, Any] = {}
        for each in inspect.signature(method, eval_str=True).parameters.values():
            fields[each.name] = (each.annotation, ... if each.default is each.empty else each.default)
        schema = create_model("parameters", **fields).model_json_schema()
        function = {"name": self.name, "description": inspect.getdoc(method), "parameters": schema}
        self.openai_schema = {"type": "function", "function": function}


class ToolKitBase:
    def __init__(self, db: DB | None = None) -> None:
        self.db: Any = db

    @property
    def tools(self) -> dict[str, Any]:
        names = [name for kind in type(self).__mro__[::-1] for name in vars(kind) if hasattr(vars(kind)[name], "marks")]
        return {name: getattr(self, name) for name in dict.fromkeys(names)}

    def get_tools(self) -> dict[str, Tool]:
        return {name: Tool(method) for name, method in self.tools.items()}

    def use_tool(self, tool_name: str, **arguments: Any) -> Any:
        if tool_name not in self.tools:
            raise ValueError(f"Tool {tool_name} not found")
        return self.tools[tool_name](**arguments)

    def tool_type(self, tool_name: str) -> ToolType:
        return self.tools[tool_name].marks[0]  # type: ignore[no-any-return]

    def tool_mutates_state(self, tool_name: str) -> bool:
        return self.tools[tool_name].marks[1]  # type: ignore[no-any-return]

    def get_db_hash(self) -> str | None:
        return None if self.db is None else self.db.get_hash()

    def update_db(self, data: dict[str, Any] | None) -> None:
        self.db = type(self.db).model_validate(_merged(self.db.model_dump(), data or {}))


class Environment:
    def __init__(
        self, domain_name: str, policy: str, tools: ToolKitBase | None = None, user_tools: ToolKitBase | None = None
    ) -> None:
        self.domain_name, self.policy, self.tools, self.user_tools = domain_name, policy, tools, user_tools
        self.sync_tools()

    def sync_tools(self) -> None:
        pass

    def get_response(self, requestor: str, name: str, arguments: dict[str, Any]) -> tuple[str, bool]:
        """Return a call's content, and whether it failed."""
        tools = self.user_tools if requestor == "user" else self.tools
        try:
            assert tools is not None
            result = tools.use_tool(name, **arguments)
            self.sync_tools()
        except Exception as error:
            return f"Error: {error}", True
        return result if isinstance(result, str) else json.dumps(_plain(result), default=str), False


class Task(BaseModel):
    model_config = ConfigDict(extra="allow")

    id: str


def _merged(old: Any, new: Any) -> Any:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(warnings=False)
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return str(value) if isinstance(value, bool | int | float) else value
