"""Standard output is the command's own: what packs and plugins print goes to standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_BETWEEN = frozenset({"click", "typer", "rich", "codecs", "contextlib"})  # print for whoever calls them
_OWN = frozenset({"tau2_core", "mcp"})


class _OwnOutput:
    """Stands in for `sys.stdout`; looks at who writes, as JSON and the protocol on it must stay whole."""

    def __init__(self, own: Any, other: Any) -> None:
        self._own = own
        self._other = other

    def _stream(self) -> Any:
        frame: FrameType | None = sys._getframe(2)
        while frame is not None:
            package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
            if package not in _BETWEEN:
                return self._own if package in _OWN else self._other
            frame = frame.f_back
        return self._own

    @property
    def buffer(self) -> Any:
        return self._stream().buffer

    def write(self, text: str) -> int:
        written: int = self._stream().write(text)
        return written

    def writelines(self, lines: Any) -> None:
        self._stream().writelines(lines)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)


@contextmanager
def own_output() -> Iterator[None]:
    """Keep foreign code from printing to standard output while a command runs."""
    before = sys.stdout
    if before is not None:
        sys.stdout = _OwnOutput(before, sys.stderr)
    try:
        yield
    finally:
        sys.stdout = before
