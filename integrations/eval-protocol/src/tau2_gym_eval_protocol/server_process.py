"""Run a server's script as a child process that ends with this one, on a reserved port."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from tau2_core.errors import UsageError

from tau2_gym_eval_protocol.retries import RolloutError
from tau2_gym_eval_protocol.running_server import RunningServer

END_SECONDS = 20
SHOWN_CHARACTERS = 3000


@asynccontextmanager
async def server_of(script: Path, domain: str, port: int | None, log: Path) -> AsyncIterator[RunningServer]:
    """Run `script --port PORT --domain DOMAIN`, with PORT in its environment, within the block.

    The value is the server, once it answers. The script's output goes to `log`. Raises UsageError, RolloutError.
    """
    if not script.is_file():
        raise UsageError(f"server_script_path {script}: no such file")
    with _reserved(port) as free, log.open("wb") as output:
        command = [sys.executable, str(script), "--port", str(free), "--domain", domain]
        process = subprocess.Popen(  # noqa: S603 - the caller's own script
            [sys.executable, "-P", "-m", "tau2_core.runtime.end_with_parent", *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PORT": str(free)},
            start_new_session=True,
        )
        server = RunningServer(f"http://127.0.0.1:{free}")
        try:
            try:
                await server.wait_until_ready(lambda: process.poll() is None)
            except RolloutError as error:
                said = log.read_text(encoding="utf-8", errors="replace")[-SHOWN_CHARACTERS:].strip()
                raise RolloutError(f"{script}: {error}; its output:\n{said}") from error
            yield server
        finally:
            await asyncio.shield(asyncio.to_thread(_end, process))


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()  # which makes `end_with_parent` end the script
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def _reserved(port: int | None) -> Iterator[int]:
    """Bind a port (default: a free one) without listening, so that the script can listen there and no other gets it.

    The system does not give a bound port to a process that asks for any free one. The server can still bind it,
    since servers set SO_REUSEADDR.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind(("127.0.0.1", port or 0))
        except OSError as error:
            raise UsageError(f"port {port}: {error.strerror}; leave `port` out to get a free one") from error
        yield holder.getsockname()[1]
