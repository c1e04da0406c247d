"""Runs a command until standard input ends, which it does when the process that began this one is gone.

    python -m tau2_gym_eval_protocol.end_with_parent COMMAND…

So a server that a test began does not outlive it, whatever ends the test.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import FrameType

END_SECONDS = 10


def keep(command: Sequence[str]) -> int:
    """Run a command; end it when standard input ends or a signal says so. Return its exit code."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - what it is there for

    def end(_signal: int = 0, _frame: FrameType | None = None) -> None:
        child.terminate()

    def watch() -> None:
        sys.stdin.buffer.read()
        child.terminate()
        try:
            child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()

    signal.signal(signal.SIGTERM, end)
    threading.Thread(target=watch, daemon=True).start()
    return child.wait()


if __name__ == "__main__":
    sys.exit(keep(sys.argv[1:]))
