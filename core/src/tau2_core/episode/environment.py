"""The environment of one episode: both databases, and the calls that act on them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError

from tau2_core.episode.result_text import result_text
from tau2_core.episode.setting import Setting
from tau2_core.errors import Refusal, TaskError, ToolError
from tau2_core.foreign_code import contain, error_text, type_name
from tau2_core.json_values import copy_json, shortened
from tau2_core.model.messages import Requestor, ToolCall
from tau2_core.model.tasks import Assertion, FunctionCall, Task
from tau2_core.model.tools import Failure, Function, Role, Tool, ToolResult, role_of
from tau2_core.name_suggestions import did_you_mean
from tau2_core.packs.arguments import argument_problems
from tau2_core.packs.context import Context
from tau2_core.packs.hidden_tools import HiddenTools
from tau2_core.packs.retrieval import AwaitedSearching
from tau2_core.state.view import View
from tau2_core.state.world import World, own_worlds
from tau2_core.validation_errors import wrong_parts

ERROR_PREFIX = "Error: "
MAX_PROBLEMS = 20  # problems in one error message
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
    """The private environment of one episode. Creating one takes microseconds; none affects another.

    `unsynced`: the sync has not run since the last change. Every call syncs, so only a failed call leaves this set.
    """

    __slots__ = ("_strict", "_sync", "context", "setting", "solo", "unlocked", "unsynced", "worlds")

    def __init__(
        self,
        setting: Setting,
        *,
        seed: int = 0,
        solo: bool | None = None,
        task: Task | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Create it in the domain's base state.

        Args:
            setting: what all episodes of a run share.
            seed: the seed of the random numbers that handlers draw.
            solo: whether the agent plays alone; by default as in the setting.
            task: the task from which the pack derives options for its handlers.
            options: these options, if they are already known.
        """
        self.setting = setting
        self.unlocked: dict[Role, dict[str, None]] = {"agent": {}, "user": {}}
        self.worlds: dict[Role, World] = setting.new_worlds()
        manifest = setting.pack.manifest
        self.context = Context(
            manifest.clock,
            manifest.ids,
            seed,
            setting.pack.manifest_source.file,
            options=setting.task_options(task) if options is None else options,
            hidden=self._hidden if setting.hides_tools else _nothing_hidden,
        )
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
        except Refusal as error:
            if self._strict:
                return _failed(Failure.REFUSED, error)
            return ToolResult(f"{ERROR_PREFIX}{error_text(error)}", refused=True)
        except InvalidArgumentsError as error:
            return ToolResult(f"{ERROR_PREFIX}{error}", Failure.INVALID_ARGUMENTS, error.detail)
        except (ToolError, ValidationError) as error:  # handlers validate by building records from arguments
            return _failed(Failure.REFUSED, error)
        except Exception as error:  # noqa: BLE001 - a handler may raise anything; it becomes the result
            fits = tool is None or not argument_problems(tool, call.arguments)
            return _failed(Failure.CRASHED if fits else Failure.INVALID_ARGUMENTS, error)

    def awaited(self, tool: Tool | None, call: ToolCall) -> AwaitedSearching | None:
        """Return the search that must be awaited before the tool of a call is called, None if there is none."""
        if tool is None or not isinstance(tool.handler, AwaitedSearching):
            return None
        return None if self._strict and argument_problems(tool, call.arguments) else tool.handler

    def run(self, call: ToolCall) -> Any:
        """Make a gold call and return its value. Raises what it raises. Mode `tau2` does not sync, as tau2-bench."""
        try:
            return self._transact(self.route(call), call, lambda value: value, sync=self._strict)
        except Refusal as refusal:
            if self._strict:
                raise
            return f"{ERROR_PREFIX}{error_text(refusal)}"

    def _transact(self, tool: Tool | None, call: ToolCall, finish: Callable[[Any], T], *, sync: bool) -> T:
        """Make a call and return what `finish` makes of its value; in strict mode it applies wholly or not at all."""
        if tool is None:
            known = list(self._tools_of(call.requestor, listed=True))
            raise UnknownToolError(
                f"there is no tool {shortened(call.name, MAX_NAME)!r} ({did_you_mean(call.name, known)})"
            )
        if not self._strict:
            return finish(self._invoke(tool, call.arguments, sync=sync))
        _check_arguments(tool, call.arguments)
        if not (tool.mutates or tool.logs) and self._sync is None:
            return finish(self._invoke(tool, call.arguments, sync=sync))
        worlds = list(own_worlds(self.worlds).values())
        unlocked = {role: dict(names) for role, names in self.unlocked.items()}
        for world in worlds:
            world.begin()
        try:
            value = finish(self._invoke(tool, call.arguments, sync=sync))
        except BaseException:
            for world in worlds:
                world.rollback()
            self.unlocked.update(unlocked)
            self.unsynced = False  # the worlds are as they were after the last sync
            raise
        for world in worlds:
            world.commit()
        return value

    def find(self, name: str) -> Tool | None:
        """Return a tool by name on either side, the agent's first."""
        setting = self.setting
        return setting.known_tools("agent").get(name) or setting.known_tools("user").get(name)

    def route(self, call: ToolCall) -> Tool | None:
        """Return the tool of a call on the caller's side, None if there is none."""
        return self._tools_of(call.requestor, listed=self._strict).get(call.name)

    def _tools_of(self, requestor: Requestor, *, listed: bool) -> Mapping[str, Tool]:
        """Return a side's tools: the `listed` ones, or the hidden ones too, as the official environment routes calls.

        A variant that lists unlocked tools (none of the official ones does) only accepts calls of listed tools.
        In solo play the agent has both sides' tools, and the customer has none.
        """
        if not self.solo:
            return self._side_of("agent" if requestor == "assistant" else "user", listed=listed)
        if requestor != "assistant":
            return {}
        if not self.setting.lists_unlocked:
            return self.setting.solo_tools
        return {**self._side_of("agent", listed=True), **self._side_of("user", listed=True)}

    def _side_of(self, role: Role, *, listed: bool) -> Mapping[str, Tool]:
        setting = self.setting
        if setting.lists_unlocked:
            return setting.listed_tools(role, self.unlocked[role])
        return setting.tools(role) if listed else setting.known_tools(role)

    def _hidden(self, role: Role) -> HiddenTools:
        setting = self.setting
        hidden, unlocked = setting.hidden_tools(role), self.unlocked[role]
        return HiddenTools(hidden, unlocked, self._call_hidden, listed=setting.lists_unlocked)

    def _call_hidden(self, tool: Tool, arguments: dict[str, Any]) -> Any:
        """Run a hidden tool within the call of another, whose sync follows."""
        if self._strict:
            _check_arguments(tool, arguments)
        return self._invoke(tool, arguments, sync=False)

    def _invoke(self, callee: Tool | Function, arguments: dict[str, Any], *, sync: bool) -> Any:
        writing = (callee.mutates or callee.logs) if isinstance(callee, Tool) else callee.kind == "setup"
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
        except Refusal:
            if self.unsynced and sync and not self._strict:
                self.sync()  # in tau2-bench, the call has succeeded
            raise
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

    def all_unlocked(self) -> dict[str, list[str]]:
        """Return the hidden tools that have been unlocked, by side; a side without any is left out."""
        return {role: list(names) for role, names in self.unlocked.items() if names}

    def digests(self) -> dict[str, str]:
        """Return each side's digest."""
        return {role: world.digest() for role, world in self.worlds.items()}

    def official_hashes(self) -> dict[str, str]:
        """Return each side's official database hash."""
        return {role: world.official_hash() for role, world in self.worlds.items()}


def _nothing_hidden(_role: Role) -> HiddenTools:
    """Return no hidden tools; unlike a method, this creates no reference cycle between context and environment."""
    return HiddenTools({}, {}, _call_nothing)


def _call_nothing(tool: Tool, _arguments: Any) -> NoReturn:
    raise AssertionError(f"{tool.name} is no hidden tool")


def _check_arguments(tool: Tool, arguments: dict[str, Any]) -> None:
    """Raise InvalidArgumentsError if arguments do not fit a tool's schema."""
    problems = argument_problems(tool, arguments)
    if problems:
        listed = [{"argument": problem.where, "problem": problem.message} for problem in problems]
        raise InvalidArgumentsError({"code": "invalid_arguments", "tool": tool.name, "problems": listed})


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
