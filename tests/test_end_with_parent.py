"""A command that ends with the program that started it."""

from __future__ import annotations

import signal
import subprocess
import sys

COMMAND = [sys.executable, "-m", "tau2_core.runtime.end_with_parent", sys.executable, "-c"]


def test_a_command_that_ends_first_gives_its_exit_code() -> None:
    """Standard input is still open then, and a thread waits for its end."""
    with subprocess.Popen([*COMMAND, "raise SystemExit(3)"], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert (process.stderr.read(), process.wait(60)) == (b"", 3)


def test_a_command_ends_when_standard_input_is_closed() -> None:
    waiting = "print(1, flush=True); import threading; threading.Event().wait()"
    with subprocess.Popen([*COMMAND, waiting], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"1\n"
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait(60) == 256 - signal.SIGTERM
