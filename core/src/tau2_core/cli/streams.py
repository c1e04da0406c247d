"""Preparing standard input, output and error: open, and able to print any text."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from io import TextIOWrapper

# Error numbers of a stream that cannot be written; other errors are not about the stream.
CANNOT_WRITE = (errno.ENOSPC, errno.EPIPE, errno.EIO, errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.EINVAL)


def open_standard_streams() -> None:
    """Open closed standard streams onto the null device, before another file takes their numbers.

    Otherwise an event loop aborts the process (SIGABRT), or another file gets the output.
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
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - stays open
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # do not fail on a terminal that lacks a character
            stream.reconfigure(errors="backslashreplace")


def flush() -> None:
    """Flush standard output. Raises OSError if that is impossible: a full disk, a closed reader."""
    sys.stdout.flush()
    sys.stderr.flush()


def abandon_output() -> None:
    """Discard unwritten output, so that Python does not try to write it at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
