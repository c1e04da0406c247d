"""Hidden tools: declared but not listed, and unlocked by name during an episode."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tau2_core.model.tools import Tool


class HiddenTools:
    """The hidden tools of one side in one episode, and which of them have been unlocked.

    Unlocked tools belong to the episode, not to a database. They are lost with the episode, and a replay of the
    unlocking calls restores them. The tools through which a side unlocks and calls hidden tools are ordinary tools that
    the pack declares; one that unlocks needs `mutates: true`. `listed`: the variant lists unlocked
    tools, which can then be called by their own names.
    """

    __slots__ = ("_call", "_tools", "_unlocked", "listed")

    def __init__(
        self,
        tools: Mapping[str, Tool],
        unlocked: dict[str, None],
        call: Callable[[Tool, Any], Any],
        *,
        listed: bool = False,
    ) -> None:
        self.listed = listed
        self._tools = tools
        self._unlocked = unlocked
        self._call = call

    def get(self, name: str) -> Tool | None:
        """Return a hidden tool by name, unlocked or not; None if this side has no such tool."""
        return self._tools.get(name)

    @property
    def unlocked(self) -> tuple[str, ...]:
        """The names of the unlocked tools, in the order in which they were unlocked."""
        return tuple(self._unlocked)

    def unlock(self, tool: Tool) -> None:
        """Unlock a tool for this side. Unlocking it again has no effect."""
        self._unlocked[tool.name] = None

    def call(self, tool: Tool, arguments: Mapping[str, Any]) -> Any:
        """Run a hidden tool, unlocked or not, and return its value. Raises what its handler raises.

        The call is part of the call of the tool whose handler makes it, and not recorded separately. Its arguments are
        checked like those of any call: in mode `strict`, against the schema.
        """
        return self._call(tool, arguments)


def called_by_name(tool: Tool, caller: Tool | None) -> Tool:
    """Return a hidden tool as a side calls it by its own name, in a variant that lists what is unlocked.

    The call goes through the side's `caller`, the tool that calls hidden ones, so that both ways have the same effects.
    A side without one runs the tool itself.
    """
    if caller is None or caller.calls_hidden is None:
        return tool
    through, inner = caller.calls_hidden, caller
    own_names = {alias: name for name, alias in tool.aliases.items()}

    def handler(db: Any, /, **given: Any) -> Any:
        context = {"context": given.pop("context")} if inner.wants_context else {}
        arguments = {own_names.get(name, name): value for name, value in given.items()}
        call = through.call_of(tool.name, arguments)
        return inner.handler(db, **{inner.aliases.get(name, name): value for name, value in call.items()}, **context)

    return replace(
        tool,
        handler=handler,
        wants_context=inner.wants_context,
        mutates=inner.mutates,
        logs=inner.logs,
        quick=tool.quick and inner.quick,
        through=through,
    )
