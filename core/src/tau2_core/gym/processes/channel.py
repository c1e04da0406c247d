"""A channel between two processes on one machine: ordered frames of bytes, some with a file descriptor."""

from __future__ import annotations

import asyncio
import os
import socket
from array import array
from collections import deque
from collections.abc import Callable

HEADER = 4  # header of each frame: its length, and whether a descriptor comes with it
WITH_HANDLE = 1 << 31
READ_BYTES = 1 << 18
MOST_HANDLES = 64  # bytes per read
CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class Channel:
    """One end of a pair of UNIX sockets. Data sent after the other end has closed is dropped; `lost` is called then."""

    def __init__(
        self, stream: socket.socket, received: Callable[[bytes, int | None], None], lost: Callable[[], None]
    ) -> None:
        stream.setblocking(False)
        self._stream = stream
        self._received = received
        self._lost = lost
        self._unsent: deque[tuple[memoryview, int | None]] = deque()
        self._read = bytearray()
        self._handles: deque[int] = deque()
        self._loop = asyncio.get_running_loop()
        self._open = True
        self._loop.add_reader(stream, self._readable)

    def send(self, content: bytes, handle: int | None = None) -> None:
        """Send a frame and, optionally, a descriptor, which is closed here once the other process has received it."""
        mark = 0 if handle is None else WITH_HANDLE
        self._unsent.append((memoryview((len(content) | mark).to_bytes(HEADER, "big") + content), handle))
        if len(self._unsent) == 1:
            self._write()

    def close(self) -> None:
        """Close this end."""
        if not self._open:
            return
        self._open = False
        self._loop.remove_reader(self._stream)
        self._loop.remove_writer(self._stream)
        self._stream.close()
        for _, handle in self._unsent:
            if handle is not None:
                os.close(handle)
        self._unsent.clear()
        while self._handles:
            os.close(self._handles.popleft())

    def _write(self) -> None:
        while self._unsent:
            content, handle = self._unsent[0]
            if not self._open:
                if handle is not None:
                    os.close(handle)
                self._unsent.popleft()
                continue
            attached = [] if handle is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [handle]))]
            try:
                sent = self._stream.sendmsg([content], attached)
            except BlockingIOError:
                self._loop.add_writer(self._stream, self._write)
                return
            except OSError:
                self._end()
                return
            if handle is not None:
                os.close(handle)
            if sent < len(content):
                self._unsent[0] = content[sent:], None
            else:
                self._unsent.popleft()
        if self._open:
            self._loop.remove_writer(self._stream)

    def _readable(self) -> None:
        try:
            content, attached, _, _ = self._stream.recvmsg(
                READ_BYTES, socket.CMSG_SPACE(MOST_HANDLES * array("i").itemsize), CLOSE_ON_EXEC
            )
        except BlockingIOError:
            return
        except OSError:
            content, attached = b"", []
        for _, kind, handles in attached:
            if kind == socket.SCM_RIGHTS:
                found = array("i")
                found.frombytes(handles[: len(handles) - len(handles) % found.itemsize])
                self._handles.extend(found)
        if not content:
            self._end()
            return
        self._read += content
        self._take_frames()

    def _take_frames(self) -> None:
        start = 0
        while len(self._read) - start >= HEADER:
            size = int.from_bytes(self._read[start : start + HEADER], "big")
            end = start + HEADER + (size & ~WITH_HANDLE)
            if len(self._read) < end:
                break
            content = bytes(self._read[start + HEADER : end])
            start = end
            self._received(content, self._handles.popleft() if size & WITH_HANDLE else None)
            if not self._open:
                return
        del self._read[:start]

    def _end(self) -> None:
        if self._open:
            self.close()
            self._lost()
