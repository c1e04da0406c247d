"""Run the workbench's server: listen, print the URL, and serve until a signal arrives."""

from __future__ import annotations

import socket
import webbrowser
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from urllib.parse import quote

import uvicorn
from tau2_core.gym.listening import bind

from tau2_gym_workbench.access import Access

GRACE_SECONDS = 1  # for requests in flight when a signal arrives; event streams never end by themselves


def serve(
    make: Callable[[], Access],
    host: str,
    port: int,
    token: str | None,
    *,
    say: Callable[[str], None],
    opens: bool,
    path: str = "",
) -> None:
    """Serve until SIGINT or SIGTERM; `path` is the page that is printed and opened.

    Raises UsageError if the port is in use, or for a public address without a token.
    """
    with ExitStack() as stack:
        listeners = [stack.enter_context(each) for each in bind(host, port, token)]
        address = f"http://{f'[{host}]' if ':' in host else host}:{listeners[0].getsockname()[1]}/{path}"
        opened = address + (f"?token={quote(token)}" if token else "")
        _run(make(), listeners, lambda: _begin(say, opened, opens=opens))


def _begin(say: Callable[[str], None], address: str, *, opens: bool) -> None:
    say(f"the workbench is at {address}; Ctrl-C ends it")
    if opens:
        webbrowser.open(address)


def _run(app: Access, listeners: Sequence[socket.socket], begin: Callable[[], None]) -> None:
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=GRACE_SECONDS, lifespan="on"
    )
    server = uvicorn.Server(config)
    begin()
    server.run(sockets=list(listeners))
