"""Opening the sockets of a server. An address other than loopback requires a token."""

from __future__ import annotations

import os
import socket

from tau2_core.errors import UsageError
from tau2_core.gym.middleware import LOOPBACK


def bind(host: str, port: int, token: str | None) -> list[socket.socket]:
    """Return the listening sockets, all on one port: one for each address of the host.

    Raises UsageError for a port in use, or a public address without a token.
    """
    if host not in LOOPBACK and not token:
        raise UsageError(f"--host {host} is reachable from other machines: give a --token")
    listeners: list[socket.socket] = []
    try:
        for family, _, _, _, address in socket.getaddrinfo(host, port, proto=socket.IPPROTO_TCP):
            listeners.append(_listen(family, (address[0], port)))
            port = listeners[0].getsockname()[1]
    except OSError as error:
        for listener in listeners:
            listener.close()
        raise UsageError(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port") from error
    return listeners


def _listen(family: socket.AddressFamily, address: tuple[str | int, int]) -> socket.socket:
    # Explicitly TCP, since asyncio disables Nagle's algorithm only then; else every answer takes 40 ms longer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # on Windows it would allow several servers on one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener
