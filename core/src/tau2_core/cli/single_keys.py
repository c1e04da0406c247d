"""Reading single keys from the terminal, without waiting for Enter."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tau2_core.errors import UsageError

AT_ONCE = 64  # bytes; a key such as an arrow sends several
_ESCAPE_SEQUENCE = re.compile(rb"\x1b(\[[0-?]*[ -/]*[@-~]|O.|.)?", re.DOTALL)  # a digit in it is not a key


@contextmanager
def single_keys(what: str) -> Iterator[Callable[[], str]]:
    """Read single keys during the block: the function returns the next one, "" at the end of the input.

    Keys are not echoed, and keys such as arrows are ignored. `what` names the command for the error. Raises
    UsageError if standard input is not a terminal.
    """
    if not sys.stdin.isatty():
        raise UsageError(f"{what} asks at a terminal, and standard input is not one; run it in a terminal")
    if sys.platform == "win32":
        import msvcrt

        yield msvcrt.getwch
        return
    import termios
    import tty

    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    try:
        tty.setcbreak(number, termios.TCSADRAIN)  # keys that were typed before are kept
        yield _KeyReader(number)
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)


class _KeyReader:
    def __init__(self, number: int) -> None:
        self._number = number
        self._waiting = b""

    def __call__(self) -> str:
        while not self._waiting:
            read = os.read(self._number, AT_ONCE)
            if not read or read.startswith(b"\x04"):  # Ctrl-D
                return ""
            self._waiting = _ESCAPE_SEQUENCE.sub(b"", read)
        key, self._waiting = self._waiting[:1], self._waiting[1:]
        return key.decode("ascii", "replace")
