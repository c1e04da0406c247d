"""Tools and records imported from another description, before they are written as a pack."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from keyword import iskeyword
from typing import Any

from tau2_core.model.tools import Kind
from tau2_core.packs.provider_names import LONGEST, is_provider_name

SHOWN = 5


@dataclass(frozen=True)
class ImportedTool:
    """A tool: `parameters` are JSON schemas without references, by name; `returns` is a record's name, or ""."""

    name: str
    group: str
    description: str
    kind: Kind
    parameters: Mapping[str, Mapping[str, Any]]
    returns: str = ""


@dataclass
class Imported:
    """The content of a source. `left_out`: parts that were not imported. `guessed`: values that it does not state."""

    source: str
    tools: list[ImportedTool] = field(default_factory=list)
    records: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    guessed: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def leave_out(self, what: str, where: str) -> None:
        """Record something that was not imported, with its position."""
        self.left_out[what] += 1
        self.examples.setdefault(what, []).append(where)

    def guess(self, what: str, where: str) -> None:
        """Record something that the source does not state."""
        self.guessed[what] += 1
        self.examples.setdefault(what, []).append(where)

    def notes(self) -> list[str]:
        """Return one line for each kind of omission or guess."""
        lines = []
        for word, counts in (("left out", self.left_out), ("guessed", self.guessed)):
            for what, count in counts.items():
                places = self.examples[what][:SHOWN]
                more = f" and {count - SHOWN} more" if count > SHOWN else ""
                lines.append(f"{word}: {what}: {', '.join(places)}{more}")
        return lines


def tool_name(text: str, taken: Mapping[str, object], otherwise: str = "tool") -> str:
    """Return an unused name that providers accept and that begins with a letter, similar to `text`.

    `otherwise` replaces a text without any usable letter or digit, such as one in Chinese.
    """
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_-") or otherwise
    if not name[0].isalpha():
        name = f"call_{name}"
    name = name[:LONGEST]
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name[: LONGEST - len(str(number)) - 1]}_{number}"
    assert is_provider_name(free)
    return free


def python_name(text: str, otherwise: str = "value") -> str:
    """Return a Python name like `text`, in lower case with underscores."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text)
    name = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower() or otherwise
    if name[0].isdigit():
        name = f"{otherwise}_{name}"
    return f"{name}_" if iskeyword(name) else name


def class_name(text: str) -> str:
    """Return the name of a class like `text`."""
    name = "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", text)) or "Thing"
    return f"Record{name}" if name[0].isdigit() or iskeyword(name) else name
