"""Clock, identifiers and randomness for handlers, from the environment and never from the machine."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

from tau2_core.errors import ToolError
from tau2_core.model.tools import Role
from tau2_core.name_suggestions import did_you_mean
from tau2_core.packs.hidden_tools import HiddenTools


class Context:
    """What a handler may know about the episode besides its database.

    `options` are what the pack derives from the task (`episode` in the manifest). Neither side sees them.
    """

    __slots__ = ("_hidden", "_ids", "_manifest", "_random", "_seed", "now", "options")

    def __init__(
        self,
        now: datetime,
        ids: Mapping[str, Sequence[str]],
        seed: int = 0,
        manifest: str | Path = "domain.yaml",
        *,
        options: Mapping[str, Any] | None = None,
        hidden: Callable[[Role], HiddenTools] | None = None,
    ) -> None:
        self.now = now
        self.options: Mapping[str, Any] = {} if options is None else options
        self._hidden = hidden
        self._ids = ids
        self._manifest = manifest
        self._seed = seed
        self._random: Random | None = None

    def hidden(self, role: Role) -> HiddenTools:
        """Return a side's hidden tools, to look them up, unlock and call them."""
        if self._hidden is None:
            raise LookupError("there are no hidden tools outside an episode")
        return self._hidden(role)

    @property
    def random(self) -> Random:
        """The episode's seeded random numbers; created on first use, since that would dominate the time of a reset."""
        if self._random is None:
            self._random = Random(self._seed)
        return self._random

    @property
    def has_drawn(self) -> bool:
        """Whether random numbers were used, so that something may depend on the seed."""
        return self._random is not None

    def free_id(self, pool: str, taken: Container[str]) -> str:
        """Return the first identifier of a pool in the manifest that is not in `taken`.

        Raises ToolError if none is left, and LookupError (an error in the pack) if there is no such pool.
        """
        if pool not in self._ids:
            raise LookupError(
                f"{Path(self._manifest).name} declares no pool {pool!r} under `ids` ({did_you_mean(pool, self._ids)})"
            )
        for candidate in self._ids[pool]:
            if candidate not in taken:
                return candidate
        raise ToolError(f"no {pool} id is left")
