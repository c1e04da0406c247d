"""Format values for pages: control characters are escaped, and long text is cut."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from tau2_core.terminal_text import printable

LONGEST_TEXT = 6_000
LONGEST_LINE = 160


def shown(value: Any) -> Any:
    """Return text for a template, with control characters and bidirectional marks as visible escapes."""
    if isinstance(value, Markup):
        return value
    return "" if value is None else printable(value)


@dataclass(frozen=True, slots=True)
class Clipped:
    """The part of a text that a page shows; `left` characters are not shown."""

    text: str
    left: int


def clipped(text: str | None, longest: int = LONGEST_TEXT) -> Clipped:
    """Cut a text after `longest` characters."""
    whole = text or ""
    return Clipped(whole[:longest], max(0, len(whole) - longest))


def one_line(value: Any, longest: int = LONGEST_LINE) -> str:
    """Return a text, or another value as JSON, on one line, cut after `longest` characters."""
    text = value if isinstance(value, str) else compact(value)
    text = " ".join(text[: longest * 2].split())
    return text if len(text) <= longest else f"{text[:longest]}…"


def compact(value: Any) -> str:
    """Return a value as JSON on one line."""
    return json.dumps(value, ensure_ascii=False, default=str)


def formatted(value: Any) -> str:
    """Return a value as indented JSON; a string that contains JSON is parsed first."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return str(value)
        if isinstance(value, str):
            return value
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def arguments(values: dict[str, Any], longest: int = LONGEST_LINE) -> str:
    """Return a call's arguments as `name=value, …`, cut after `longest` characters."""
    text = ", ".join(f"{name}={compact(value)[:longest]}" for name, value in values.items())
    return text if len(text) <= longest else f"{text[:longest]}…"


def money(dollars: float | None) -> str:
    """Return an amount of dollars, or "" if it is unknown."""
    if dollars is None:
        return ""
    return f"${dollars:.2f}" if dollars >= 1 or dollars == 0 else f"${dollars:.4f}"


def count(number: float | None) -> str:
    """Return a number with thousands separators."""
    if number is None:
        return ""
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.1f}"


def seconds(value: float | None) -> str:
    """Return a duration in words, such as `850 ms`, `4.2 s` or `3 min 05 s`."""
    if value is None:
        return ""
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 100:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def percent(value: float | None, digits: int = 1) -> str:
    """Return a share as a percentage."""
    return "" if value is None else f"{value * 100:.{digits}f}%"
