"""Commands in processes of their own that start at once, as forks of a process that has imported the core already.

A fork shares nothing with the tests or with other commands but what was imported. So a command may change anything
(streams, signals, environment, modules) and end in any way, as in a process started afresh, at a third of the time.
What imports at a start and the last moments of an interpreter do is for tests that have Python start a process.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

LITELLM = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION"}  # as our client imports it
LITELLM_MODELS = ("openai/", "anthropic/", "gemini/")
ORIGIN = Path(__file__).with_name("fork_origin.py")


class Forked:
    """A running command: the part of `subprocess.Popen` that tests need. Its output is text."""

    def __init__(self, report: socket.socket, stdin: IO[str] | None, stdout: IO[str] | None) -> None:
        self.stdin = stdin
        self.stdout = stdout
        self.returncode: int | None = None
        self._report = report
        self.pid = self._read()

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._report], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._report], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("a forked command", timeout or 0)
            self.returncode = self._read()
            self._report.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _read(self) -> int:
        numbers = array("i")
        numbers.frombytes(self._report.recv(numbers.itemsize, socket.MSG_WAITALL))
        return numbers[0]


class Forks:
    """Starts commands as forks of a process that it starts with the first command. Close it at the end.

    Commands with litellm models have a separate origin, because the import takes seconds, and so does pytest.
    """

    def __init__(self) -> None:
        self._origins: dict[str, tuple[subprocess.Popen[bytes], socket.socket]] = {}

    def start(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdout: IO[Any] | int,
        stderr: IO[Any] | int,
        stdin: IO[Any] | int = subprocess.DEVNULL,
        program: str = "tau2_core",
        litellm: bool = False,
        script: Path | None = None,
    ) -> Forked:
        """Start `tau2-gym` (or `program`, `pytest`, or a script) with these arguments.

        Output goes to open files; standard input, which is else empty, and standard output also to a new pipe
        (`subprocess.PIPE`). `litellm` says that the command will need it, which options that name such models tell.
        """
        needed = ["litellm"] if litellm or any(each.startswith(LITELLM_MODELS) for each in arguments) else []
        requests = self._origin(program, *needed)
        ours, report = socket.socketpair()
        reader, writer = os.pipe() if stdout == subprocess.PIPE else (None, None)
        given, giver = os.pipe() if stdin == subprocess.PIPE else (None, None)
        with report, tempfile.TemporaryFile() as request, Path(os.devnull).open("rb") as nothing:
            wish = {
                "arguments": list(arguments),
                "cwd": str(cwd),
                "env": dict(env),
                "script": str(script or ""),
                "handles": [],
            }
            request.write(json.dumps(wish).encode())
            request.flush()
            out = writer if writer is not None else _number(stdout)
            source = given if given is not None else _number(nothing if stdin == subprocess.DEVNULL else stdin)
            files = [request.fileno(), source, out, _number(stderr), report.fileno()]
            socket.send_fds(requests, [b"."], files)
            for theirs in filter(None, (writer, given)):
                os.close(theirs)
            return Forked(
                ours,
                os.fdopen(giver, "w", encoding="utf-8") if giver is not None else None,
                os.fdopen(reader, encoding="utf-8") if reader is not None else None,
            )

    def run(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        timeout: float,
        stdin: IO[Any] | int = subprocess.DEVNULL,
        program: str = "tau2_core",
        litellm: bool = False,
        script: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end. If it does not end, kills it and raises TimeoutExpired."""
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            process = self.start(
                arguments,
                cwd=cwd,
                env=env,
                stdout=stdout,
                stderr=stderr,
                stdin=stdin,
                program=program,
                litellm=litellm,
                script=script,
            )
            try:
                code = process.wait(timeout)
            finally:
                process.kill()
            texts = []
            for file in (stdout, stderr):
                file.seek(0)
                texts.append(file.read().decode("utf-8").replace("\r\n", "\n"))
        return subprocess.CompletedProcess(list(arguments), code, *texts)

    def close(self) -> None:
        for process, requests in self._origins.values():
            requests.close()
            process.wait(60)  # for its forks, which have all ended

    def _origin(self, program: str, *imports: str) -> socket.socket:
        key = " ".join([program, *imports])
        if key not in self._origins:
            ours, theirs = socket.socketpair()
            with theirs:
                number = str(theirs.fileno())
                command = [sys.executable, "-P", "-W", "error", str(ORIGIN), number, program, *imports]
                inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "TAU2_"))}
                process = subprocess.Popen(command, env=inherited | LITELLM, pass_fds=[theirs.fileno()])
            if not ours.recv(1):
                raise RuntimeError("a module cannot be imported; its error is on standard error")
            self._origins[key] = process, ours
        return self._origins[key][1]


FORKS = Forks()  # belongs to this test process; the fixture `forks` closes it


def _number(file: IO[Any] | int) -> int:
    return file if isinstance(file, int) else file.fileno()
