"""Standard input, output and error as a command needs them: open, and able to take any text."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from io import TextIOWrapper

# What a stream that cannot be written may say; anything else is no matter of the stream's.
CANNOT_WRITE = (errno.ENOSPC, errno.EPIPE, errno.EIO, errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.EINVAL)


def open_standard_streams() -> None:
    """Open what is closed of standard input, output and error onto nothing, before a file takes its number.

    An event loop ends the process (SIGABRT) where it finds one of them closed, and whatever was opened in its place
    would get what is printed.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - it stays open
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal that lacks a sign is no reason to lose a table
            stream.reconfigure(errors="backslashreplace")


def flush() -> None:
    """Write out what is printed. Raises OSError where that cannot be done: a full disk, a reader that left."""
    sys.stdout.flush()
    sys.stderr.flush()


def abandon_output() -> None:
    """Send what is still to be written to nowhere, so that Python does not try again when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
