"""The environment of one episode: both databases, and the calls that act on them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from tau2_core.episode.result_text import result_text
from tau2_core.episode.setting import Setting
from tau2_core.errors import TaskError, ToolError
from tau2_core.foreign import contain, error_text, type_name
from tau2_core.json_values import copy_json, shortened
from tau2_core.model.messages import Requestor, ToolCall
from tau2_core.model.tasks import Assertion, FunctionCall
from tau2_core.model.tools import Failure, Function, Role, Tool, ToolResult, role_of
from tau2_core.names import did_you_mean
from tau2_core.packs.arguments import argument_problems
from tau2_core.packs.context import Context
from tau2_core.state.world import View, World
from tau2_core.validation import wrong_parts

ERROR_PREFIX = "Error: "
MAX_PROBLEMS = 20  # problems listed at most
MAX_NAME = 100
T = TypeVar("T")


class UnknownToolError(ToolError):
    """The caller's side has no tool with that name."""


class InvalidArgumentsError(ToolError):
    """The arguments do not fit the tool's schema; carries the problems as data."""

    def __init__(self, detail: dict[str, Any]) -> None:
        super().__init__(json.dumps(detail))
        self.detail = detail


class Environment:
    """The private environment of one episode. Creating one takes microseconds, and none affects another.

    `unsynced`: the sync has not run since the last change. Every call syncs, so only a failed call leaves it undone.
    """

    __slots__ = ("_strict", "_sync", "context", "setting", "solo", "unsynced", "worlds")

    def __init__(self, setting: Setting, *, seed: int = 0, solo: bool | None = None) -> None:
        self.setting = setting
        self.worlds: dict[Role, World] = {role: World(base) for role, base in setting.bases().items()}
        manifest = setting.pack.manifest
        self.context = Context(manifest.clock, manifest.ids, seed, setting.pack.manifest_source.file)
        self.solo = setting.solo if solo is None else solo
        self._strict = setting.mode == "strict"
        self._sync = setting.pack.sync
        self.unsynced = False
        self.sync()

    def sync(self) -> None:
        """Run the domain's sync, if any, which carries effects between the databases. Raises what it raises."""
        if self._sync is None:
            return
        databases = {role: View(world, writing=True) for role, world in self.worlds.items()}
        try:
            if self.setting.pack.sync_wants_context:
                self._sync(**databases, context=self.context)
            else:
                self._sync(**databases)
        except BaseException as error:
            raise contain(error, "the sync") from error
        self.unsynced = False

    def settle(self) -> None:
        """Sync if anything has changed since the last sync, which is rare, since every call syncs."""
        if self.unsynced:
            self.sync()

    def call(self, call: ToolCall) -> ToolResult:
        """Make a call for one of the sides. Every failure is an error result; nothing is raised."""
        return self.call_tool(self.route(call), call)

    def call_tool(self, tool: Tool | None, call: ToolCall) -> ToolResult:
        """Make a call of the tool that `route` found for it, as `call` does."""
        try:
            return ToolResult(self._transact(tool, call, _text_of, sync=True))
        except UnknownToolError as error:
            return _failed(Failure.UNKNOWN_TOOL, error)
        except InvalidArgumentsError as error:
            return ToolResult(f"{ERROR_PREFIX}{error}", Failure.INVALID_ARGUMENTS, error.detail)
        except (ToolError, ValidationError) as error:  # handlers validate by building records from arguments
            return _failed(Failure.REFUSED, error)
        except Exception as error:  # noqa: BLE001 - a handler may raise anything; it becomes the result
            fits = tool is None or not argument_problems(tool, call.arguments)
            return _failed(Failure.CRASHED if fits else Failure.INVALID_ARGUMENTS, error)

    def run(self, call: ToolCall) -> Any:
        """Make a gold call and return its value. Raises what it raises. In mode `tau2` without sync, as officially."""
        return self._transact(self.route(call), call, lambda value: value, sync=self._strict)

    def _transact(self, tool: Tool | None, call: ToolCall, finish: Callable[[Any], T], *, sync: bool) -> T:
        """Make a call and return what `finish` makes of its value; in strict mode it applies wholly or not at all."""
        if tool is None:
            known = list(self._tools_of(call.requestor))
            raise UnknownToolError(
                f"there is no tool {shortened(call.name, MAX_NAME)!r} ({did_you_mean(call.name, known)})"
            )
        if not self._strict:
            return finish(self._invoke(tool, call.arguments, sync=sync))
        problems = argument_problems(tool, call.arguments)
        if problems:
            listed = [{"argument": problem.where, "problem": problem.message} for problem in problems]
            raise InvalidArgumentsError({"code": "invalid_arguments", "tool": tool.name, "problems": listed})
        if not tool.mutates and self._sync is None:
            return finish(self._invoke(tool, call.arguments, sync=sync))
        worlds = list(self.worlds.values())
        for world in worlds:
            world.begin()
        try:
            value = finish(self._invoke(tool, call.arguments, sync=sync))
        except BaseException:
            for world in worlds:
                world.rollback()
            self.unsynced = False  # the worlds are as they were after the last sync
            raise
        for world in worlds:
            world.commit()
        return value

    def find(self, name: str) -> Tool | None:
        """Return a tool by name on either side, the agent's first."""
        setting = self.setting
        return setting.tools("agent").get(name) or setting.tools("user").get(name)

    def route(self, call: ToolCall) -> Tool | None:
        """Return the tool of a call on the caller's side, None if there is none."""
        return self._tools_of(call.requestor).get(call.name)

    def _tools_of(self, requestor: Requestor) -> Mapping[str, Tool]:
        """Return a side's tools. In solo play the agent has both sides' tools, and the customer has none."""
        if not self.solo:
            return self.setting.tools("agent" if requestor == "assistant" else "user")
        return self.setting.solo_tools if requestor == "assistant" else {}

    def _invoke(self, callee: Tool | Function, arguments: dict[str, Any], *, sync: bool) -> Any:
        writing = callee.mutates if isinstance(callee, Tool) else callee.kind == "setup"
        world = self.worlds.get(callee.role)
        if world is None:
            raise ToolError(f"the {callee.role} side has no database")
        # A handler may keep or change its arguments, so it gets a copy of the task's or message's.
        given = copy_json(arguments)
        if callee.aliases:
            given = {callee.aliases.get(name, name): value for name, value in given.items()}
        handler: Callable[..., Any] = callee.handler
        db = View(world, writing=writing)
        self.unsynced = self._sync is not None
        try:
            value = handler(db, context=self.context, **given) if callee.wants_context else handler(db, **given)
        except BaseException as error:
            contained = contain(error, callee.name)
            if contained is error:
                raise
            raise contained from error
        if self.unsynced and sync:
            self.sync()
        return value

    def call_function(self, call: FunctionCall) -> Any:
        """Call a function or tool that a task names, then sync. Raises what it raises, and TaskError if unknown."""
        role = role_of(call.env_type)
        callees = self.setting.pack.callees(role)
        callee = callees.get(call.func_name)
        if callee is None:
            raise TaskError(
                f"the {role} side has no function {call.func_name!r} ({did_you_mean(call.func_name, callees)})"
            )
        return self._invoke(callee, call.arguments, sync=True)

    def holds(self, assertion: Assertion) -> bool:
        """Tell whether an assertion is met. Raises what its function raises, and TaskError if that returns no bool."""
        result = self.call_function(assertion)
        if not isinstance(result, bool):
            raise TaskError(f"assertion {assertion.func_name} returned {type(result).__name__}, not a bool")
        return result == assertion.assert_value

    def digests(self) -> dict[str, str]:
        """Return each side's digest."""
        return {role: world.digest() for role, world in self.worlds.items()}

    def official_hashes(self) -> dict[str, str]:
        """Return each side's official database hash."""
        return {role: world.official_hash() for role, world in self.worlds.items()}


def _text_of(value: Any) -> str:
    """Return a result's text. This may run code of the pack, such as a field's serializer."""
    try:
        return result_text(value)
    except BaseException as error:
        raise contain(error, "its result") from error


def _failed(failure: Failure, error: BaseException) -> ToolResult:
    text = error_text(error) or type_name(error)
    if isinstance(error, ValidationError):
        text = "; ".join(wrong_parts(error)[:MAX_PROBLEMS])
    return ToolResult(f"{ERROR_PREFIX}{text}", failure, {"code": failure.value, "raised": type_name(error)})
