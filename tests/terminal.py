"""A terminal of its own, in which a test runs the command and types."""

from __future__ import annotations

import codecs
import os
import select
import subprocess
import sys
import termios
from pathlib import Path


class Terminal:
    """The command in a terminal of this size, with what it has shown since the last key."""

    def __init__(self, folder: Path, *arguments: str, rows: int = 40, columns: int = 80) -> None:
        self.end, self.other = os.openpty()
        termios.tcsetwinsize(self.other, (rows, columns))
        command = [sys.executable, "-P", "-m", "tau2_core", *arguments]
        # The session's leader, which opens a terminal, gets it as its own: then Ctrl-C is for it.
        start = ["sh", "-c", 'exec "$@" <"$0" >"$0" 2>&1', os.ttyname(self.other), *command]
        env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        self.process = subprocess.Popen(start, cwd=folder, env=env, start_new_session=True)
        self.shown = ""
        self.decode = codecs.getincrementaldecoder("utf-8")().decode  # a letter may come in two reads

    def read_until(self, text: str) -> str:
        """Return what was shown, once it contains a text."""
        while text not in self.shown:
            ready, _, _ = select.select([self.end], [], [], 60)
            assert ready, f"{text!r} never came: {self.shown}"
            self.shown += self.decode(os.read(self.end, 4096))
        return self.shown

    def write(self, text: str) -> None:
        """Type."""
        self.shown = ""
        os.write(self.end, text.encode())

    def close(self) -> None:
        """End the command if it runs."""
        self.process.kill()
        self.process.wait()
        os.close(self.end)
        os.close(self.other)
