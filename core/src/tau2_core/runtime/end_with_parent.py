"""Run a command until standard input is closed, which happens at the latest when the parent process ends.

    python -m tau2_core.runtime.end_with_parent COMMAND…

So a server that a program has started never outlives the program, even if that is killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import FrameType

END_SECONDS = 10


def run(command: Sequence[str]) -> int:
    """Run a command; end it when standard input is closed or on SIGTERM. Return its exit code."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - its purpose

    def end(_signal: int = 0, _frame: FrameType | None = None) -> None:
        child.terminate()

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1024):  # without the lock of `sys.stdin`, at which Python would abort its end
            pass
        child.terminate()
        try:
            child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()

    signal.signal(signal.SIGTERM, end)
    threading.Thread(target=watch, daemon=True).start()
    return child.wait()


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
