"""Reserving standard output for the command: output of packs and plugins goes to standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from tau2_core.redaction import printed

_BETWEEN = frozenset({"click", "typer", "rich", "codecs", "contextlib"})  # modules that print for their caller
_OWN = frozenset({"tau2_core", "mcp"})


class _OwnOutput:
    """Replaces `sys.stdout` and checks which code writes, so that JSON and protocols on it are not disturbed."""

    def __init__(self, own: Any, other: Any, packages: frozenset[str]) -> None:
        self._own = own
        self._other = other
        self._packages = packages

    def _stream(self) -> Any:
        frame: FrameType | None = sys._getframe(2)
        while frame is not None:
            package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
            if package not in _BETWEEN:
                return self._own if package in self._packages else self._other
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


class _WithoutSecrets:
    """Replaces `sys.stderr`, so that logs, tracebacks, warnings and prints contain no keys of the run."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(printed(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def own_output(package: str = "") -> Iterator[None]:
    """During a command, keep foreign code from printing to standard output, and secrets out of standard error.

    `package`: that of the plugin, for a plugin's command.
    """
    before = sys.stdout, sys.stderr
    if sys.stderr is not None:
        sys.stderr = _WithoutSecrets(sys.stderr)
    if sys.stdout is not None:
        sys.stdout = _OwnOutput(sys.stdout, sys.stderr, _OWN | {package})
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
