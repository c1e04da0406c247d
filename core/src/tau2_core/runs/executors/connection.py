"""The connection between a run and one of its workers: messages in both directions, after mutual authentication.

Both know the invitation's key, and neither sends it. Nothing is encrypted: as in other clusters, the network between a
run and its workers is trusted.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import socket
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from tau2_core.errors import RunError
from tau2_core.model.executors import Invitation
from tau2_core.runs.executors.messages import FromRun, FromWorker

Received = TypeVar("Received")
NONCE = 32
PROOF = 32
SIZE = 4  # bytes of the length before each message
AT_ONCE = 1 << 18  # bytes
MOST_UNSENT = 1 << 20  # bytes; beyond them `drained` waits
_encode = msgspec.msgpack.Encoder().encode


class Connection(Generic[Received]):
    """Messages over a stream. Messages sent in the same turn of the event loop are written together."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, decode: Callable[[bytes], Received]
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._decode = decode
        self._unsent: list[bytes] = []
        self._arrived, self._taken = b"", 0
        writer.transport.set_write_buffer_limits(high=MOST_UNSENT)
        stream: socket.socket = writer.get_extra_info("socket")
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # so that a lost machine is noticed

    def send(self, message: Any) -> None:
        """Queue a message. If the connection is lost, it is dropped, and `receive` reports the loss."""
        content = _encode(message)
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self.flush)
        self._unsent += (len(content).to_bytes(SIZE, "big"), content)

    def flush(self) -> None:
        """Write all queued messages now."""
        content, self._unsent = b"".join(self._unsent), []
        if content and not self._writer.is_closing():
            self._writer.write(content)

    async def drained(self) -> None:
        """Wait until the other side accepts messages again. Raises ConnectionError."""
        await self._writer.drain()

    async def receive(self) -> Received | None:
        """Return the next message; None when the connection is closed or lost."""
        try:
            size = int.from_bytes(await self._received(SIZE), "big")
            return self._decode(await self._received(size))
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            return None

    async def _received(self, size: int) -> bytes:
        """Return the next bytes. Many small messages are read at once."""
        while (lacking := size - len(self._arrived) + self._taken) > 0:
            rest = self._arrived[self._taken :]
            more = await (self._reader.readexactly(lacking) if lacking > AT_ONCE else self._reader.read(AT_ONCE))
            if not more:
                raise asyncio.IncompleteReadError(rest, size)
            self._arrived, self._taken = rest + more, 0
        start, self._taken = self._taken, self._taken + size
        return self._arrived[start : self._taken]

    async def close(self) -> None:
        """Write all queued messages, and close."""
        if self._unsent:
            self.flush()
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except (ConnectionError, TimeoutError):
            return  # the other side was faster


async def connect(invitation: Invitation) -> Connection[FromRun]:
    """Return a worker's connection to its run. Raises RunError if it cannot be reached, or is another run."""
    try:
        reader, writer = await asyncio.open_connection(invitation.host, invitation.port)
        own = secrets.token_bytes(NONCE)
        writer.write(invitation.number.to_bytes(SIZE, "big") + own)
        theirs, proof = await reader.readexactly(NONCE), await reader.readexactly(PROOF)
        if not hmac.compare_digest(proof, _proof(invitation.key, "run", own, theirs)):
            raise RunError(
                f"the server at {invitation.host}:{invitation.port} is not the run that sent this invitation"
            )
        writer.write(_proof(invitation.key, "worker", own, theirs))
    except (OSError, asyncio.IncompleteReadError) as error:
        why = "it refuses this worker" if isinstance(error, asyncio.IncompleteReadError) else str(error)
        raise RunError(f"cannot reach the run at {invitation.host}:{invitation.port}: {why}") from error
    return Connection(reader, writer, msgspec.msgpack.Decoder(FromRun).decode)


async def accept(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, keys: Callable[[int], str | None]
) -> tuple[int, Connection[FromWorker]] | None:
    """Return the number and the connection of an invited worker, None for anything else."""
    try:
        number = int.from_bytes(await reader.readexactly(SIZE), "big")
        theirs, own = await reader.readexactly(NONCE), secrets.token_bytes(NONCE)
        key = keys(number)
        if key is not None:
            writer.write(own + _proof(key, "run", theirs, own))
            if hmac.compare_digest(await reader.readexactly(PROOF), _proof(key, "worker", theirs, own)):
                return number, Connection(reader, writer, msgspec.msgpack.Decoder(FromWorker).decode)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # the other side has disconnected
    writer.close()
    return None


def _proof(key: str, side: str, worker_nonce: bytes, run_nonce: bytes) -> bytes:
    return hmac.digest(key.encode(), side.encode() + worker_nonce + run_nonce, "sha256")
