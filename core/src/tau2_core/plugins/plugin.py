"""A plugin and the records that it provides."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal


@dataclass(eq=False)
class Plugin:
    """One plugin: its origin, its status, and what it provides (kind to records).

    `places` holds, by kind, whether its hook should come first (-1) or last (1).
    """

    name: str
    distribution: str | None
    target: str
    status: Literal["ok", "broken", "blocked", "replaced"] = "ok"
    cause: str = ""
    file: Path | None = None
    line: int | None = None
    module: Any = None
    records: dict[str, list[Any]] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        return self.distribution or self.target

    def provides(self) -> list[str]:
        """Return the names of everything that it provides, as `kind:name`."""
        return [f"{kind}:{record.name}" for kind, records in self.records.items() for record in records]
