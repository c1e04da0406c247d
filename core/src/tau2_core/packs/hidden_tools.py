"""Hidden tools: declared, listed to nobody, and unlocked by name during an episode."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tau2_core.model.tools import Tool


class HiddenTools:
    """The hidden tools of one side in one episode, and which of them have been unlocked.

    What is unlocked belongs to the episode, not to a database: it is gone with the episode, and a replay of the calls
    that unlocked it restores it. The tools through which a side unlocks and calls are tools like others, which the pack
    declares; one that unlocks needs `mutates: true`.
    """

    __slots__ = ("_call", "_tools", "_unlocked")

    def __init__(self, tools: Mapping[str, Tool], unlocked: dict[str, None], call: Callable[[Tool, Any], Any]) -> None:
        self._tools = tools
        self._unlocked = unlocked
        self._call = call

    def get(self, name: str) -> Tool | None:
        """Return a hidden tool by name, unlocked or not; None if this side has none of that name."""
        return self._tools.get(name)

    @property
    def unlocked(self) -> tuple[str, ...]:
        """The names of what has been unlocked, in this order."""
        return tuple(self._unlocked)

    def unlock(self, tool: Tool) -> None:
        """Unlock a tool for this side. Once more makes no difference."""
        self._unlocked[tool.name] = None

    def call(self, tool: Tool, arguments: Mapping[str, Any]) -> Any:
        """Run a hidden tool, unlocked or not, and return its value. Raises what its handler raises.

        The call belongs to that of the tool whose handler makes it: it is no call of its own in the record. Arguments
        are checked as those of any call: in mode `strict` against the schema.
        """
        return self._call(tool, arguments)
