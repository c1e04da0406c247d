"""The executor `processes`: workers on this machine, each a Python process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tau2_core.errors import RunError
from tau2_core.model.executors import ExecutorOptions, Invitation, Launcher


@asynccontextmanager
async def open_processes(options: ExecutorOptions) -> AsyncIterator[Launcher]:
    """Open the executor; by default it starts one worker for each processor that this process may use."""
    yield Processes(options.workers or processors())


def processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Processes:
    """Starts a new Python process for each worker; a fork would inherit threads and locks in any state.

    A worker imports from the same places as this process, but does not run its main program. It ends when its standard
    input is closed, which also happens when this process is killed.
    """

    host = "127.0.0.1"

    def __init__(self, workers: int) -> None:
        self.workers = workers

    async def start(self, invitation: Invitation) -> LocalProcess:
        return await start_worker(f"{invitation.text()}\n")


async def start_worker(text: str = "", *arguments: str, handles: Sequence[int] = ()) -> LocalProcess:
    """Start a worker with this standard input, which stays open. The worker inherits `handles`. Raises RunError."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
    command = [sys.executable, "-P", "-m", "tau2_core.worker", *arguments]
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, env=environment, pass_fds=handles
        )
    except OSError as error:
        raise RunError(f"cannot start {sys.executable}: {error.strerror}") from error
    assert process.stdin is not None
    process.stdin.write(text.encode())
    return LocalProcess(process)


class LocalProcess:
    """A worker on this machine."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def wait(self) -> str:
        code = await self._process.wait()
        if code >= 0:
            return f"it exited with status {code}"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        memory = ", perhaps for lack of memory" if name == "SIGKILL" else ""
        return f"it was killed by {name}{memory}"

    def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
