"""Communication with another process: requests in both directions, and notifications."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any, TypeVar

import msgspec

from tau2_core.errors import RunError, Tau2GymError
from tau2_core.foreign_code import describe_error
from tau2_core.gym.errors import RefusedError, as_refusal
from tau2_core.gym.processes.channel import Channel
from tau2_core.gym.processes.messages import Answer, Ask, Declined, Message, Notice, Request

log = logging.getLogger(__name__)
T = TypeVar("T")


class PeerLostError(RunError):
    """The other process has ended."""


class Peer:
    """The process at the other end of two sockets. `answer` answers its requests, `hear` takes its notifications."""

    def __init__(
        self,
        stream: socket.socket,
        answer: Callable[[Request], Awaitable[Any]],
        hear: Callable[[Notice, int | None], None],
        lost: Callable[[], None],
    ) -> None:
        self._answer = answer
        self._hear = hear
        self._on_lost = lost
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._numbers = count()
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(Message).decode
        self._channel = Channel(stream, self._received, self._lost)

    def send(self, notice: Notice, handle: int | None = None) -> None:
        """Send a notification and, optionally, a descriptor, which is closed here."""
        self._channel.send(self._encode(notice), handle)

    async def ask(self, request: Request, kind: type[T]) -> T:
        """Send a request and return the answer.

        Raises RefusedError, RunError; PeerLostError if the other process has ended.
        """
        if self._over.is_set():
            raise PeerLostError("the other process of this server has ended")
        number = next(self._numbers)
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._channel.send(self._encode(Ask(number, request)))
        try:
            return msgspec.convert(await waiting, kind)
        finally:
            self._waiting.pop(number, None)

    async def drained(self) -> None:
        """Wait until everything that a process sent before it ended has been handled."""
        await self._over.wait()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def close(self) -> None:
        """Close the channel; requests that wait for an answer fail."""
        self._channel.close()
        self._fail()

    def _received(self, content: bytes, handle: int | None) -> None:
        message = self._decode(content)
        if isinstance(message, Ask):
            task = asyncio.create_task(self._respond(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif isinstance(message, Answer | Declined):
            waiting = self._waiting.get(message.number)
            if waiting is None or waiting.done():
                return
            if isinstance(message, Answer):
                waiting.set_result(message.content)
            else:
                waiting.set_exception(_error(message))
        else:
            self._hear(message, handle)

    async def _respond(self, ask: Ask) -> None:
        try:
            message: Answer | Declined = Answer(ask.number, await self._answer(ask.request))
        except RunError as error:
            message = Declined(ask.number, 0, "", str(error), None, expected=False)
        except Tau2GymError as error:
            refusal = as_refusal(error)
            message = Declined(
                ask.number, refusal.status, refusal.code, str(refusal), refusal.retry_after, refusal.expected
            )
        except Exception as error:
            log.exception("a request of another process of this server failed")
            message = Declined(ask.number, 0, "", describe_error(error), None, expected=False)
        self._channel.send(self._encode(message))

    def _lost(self) -> None:
        self._fail()
        self._on_lost()

    def _fail(self) -> None:
        self._over.set()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(PeerLostError("the other process of this server has ended"))


def _error(message: Declined) -> Tau2GymError:
    if not message.status:
        return RunError(message.why)
    return RefusedError(
        message.status, message.code, message.why, retry_after=message.retry_after, expected=message.expected
    )
