"""Limits on what a client may send before the application sees it, how slowly, and how many clients there may be."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.gym.conftest import SECONDS, Server, Start, World

TOO_LARGE = "HTTP/1.1 431"


@contextmanager
def connection(server: Server) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS) as link:
        yield link


def answer(link: socket.socket) -> str:
    """Return everything until the server closes the connection."""
    received = b""
    try:
        while data := link.recv(65536):
            received += data
    except ConnectionResetError:
        pass
    return received.decode()


def send(link: socket.socket, *parts: bytes, times: int = 1) -> None:
    """Send parts; the server may close the connection meanwhile."""
    try:
        for part in parts:
            for _ in range(times):
                link.sendall(part)
    except (BrokenPipeError, ConnectionResetError):
        pass


class TestHeads:
    @pytest.mark.parametrize(
        "head",
        [
            b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 100 + b"\r\n",
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + (b"X: " + b"y" * 1000 + b"\r\n") * 70 + b"\r\n",
        ],
        ids=["line", "header", "number of headers", "sum of headers"],
    )
    def test_a_whole_head_over_the_limit(self, server: Server, head: bytes) -> None:
        with connection(server) as link:
            link.sendall(head)
            assert answer(link).startswith(TOO_LARGE)
        assert httpx.get(f"{server.address}/healthz").json() == {"status": "ok"}

    @pytest.mark.parametrize("start", [b"GET /", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", b"GET / HTTP/1.1\r\nX"])
    def test_a_line_that_never_ends(self, server: Server, start: bytes) -> None:
        before = server.resident()
        with connection(server) as link:
            send(link, start)
            send(link, b"y" * 1_000_000, times=50)
            assert answer(link).startswith((TOO_LARGE, ""))
        assert httpx.get(f"{server.address}/healthz").is_success
        assert server.resident() - before < 30_000_000

    def test_many_headers_in_pieces(self, server: Server) -> None:
        with connection(server) as link:
            send(link, b"GET / HTTP/1.1\r\nHost: localhost\r\n")
            send(link, b"A: b\r\n", times=200)
            assert answer(link).startswith(TOO_LARGE)

    def test_a_head_within_the_limit(self, server: Server) -> None:
        headers = {f"x-{number}": "y" * 500 for number in range(90)}
        assert httpx.get(f"{server.address}/healthz", headers=headers).is_success

    def test_a_second_request_of_a_connection_is_limited_too(self, server: Server) -> None:
        with connection(server) as link:
            link.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert link.recv(12) == b"HTTP/1.1 200"
            send(link, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ", b"y" * 100_000)
            assert TOO_LARGE in answer(link)


@pytest.fixture(scope="module")
def impatient(start_for_all: Start) -> Server:
    """A server that waits for requests for a fifth of a second."""
    return start_for_all("mock", "--request-timeout", "0.2")


class TestSlowClients:
    def test_half_a_head(self, impatient: Server) -> None:
        with connection(impatient) as link:
            link.sendall(b"GET /healthz HTTP/1.1\r\nHost: local")
            assert answer(link).startswith("HTTP/1.1 408")

    def test_half_a_body(self, impatient: Server) -> None:
        with connection(impatient) as link:
            link.sendall(b"POST /v1/episodes HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
            assert answer(link) == ""
        assert "Traceback" not in impatient.log()

    def test_half_a_message_to_an_episode(self, impatient: Server) -> None:
        path = httpx.URL(impatient.create().mcp_url).path
        with connection(impatient) as link:
            link.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{{".encode())
            answer(link)
        assert "Traceback" not in impatient.log()

    def test_silence(self, impatient: Server) -> None:
        with connection(impatient) as link:
            assert answer(link) == ""


class TestNumberOfClients:
    def test_the_longest_silent_client_is_disconnected(self, start: Start) -> None:
        server = start("mock", "--max-connections", "3")
        with connection(server) as first, connection(server), connection(server):
            assert httpx.get(f"{server.address}/healthz").is_success
            assert answer(first) == ""

    def test_clients_that_have_sent_a_request_stay_connected(self, start: Start) -> None:
        server = start("mock", "--max-connections", "1")
        with httpx.Client(base_url=server.address) as first:  # keeps its connection
            assert first.get("/healthz").is_success
            assert httpx.get(f"{server.address}/healthz").status_code == 503
            assert first.get("/healthz").is_success


HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}


@pytest.fixture(scope="module", params=["episode", "dialect"])
def session(request: pytest.FixtureRequest, server: Server) -> Callable[..., httpx.Response]:
    """Post a message in an MCP session of the handshake era."""
    url = server.create().mcp_url if request.param == "episode" else f"{server.address}/mcp"
    accept = {"accept": "application/json, text/event-stream"}
    hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO}
    opened = server.http.post(url, json=hello, headers=accept)
    headers = {**accept, "mcp-session-id": opened.headers["mcp-session-id"]}
    server.http.post(url, json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=headers)

    def post(method: str = "POST", body: object = None, **more: str) -> httpx.Response:
        return server.http.request(method, url, json=body, headers={**headers, **more})

    post.headers, post.url = headers, url  # type: ignore[attr-defined]
    return post


class TestMessages:
    @pytest.mark.parametrize("wrong", [None, 1.5, True, [], {}], ids=str)
    def test_a_request_with_a_wrong_id_is_refused(self, session: Callable[..., httpx.Response], wrong: object) -> None:
        response = session(body={"jsonrpc": "2.0", "id": wrong, "method": "tools/list"})
        assert response.status_code == 400
        assert response.json()["error"]["code"] == -32600
        assert "string or an integer" in response.json()["error"]["message"]

    def test_requests_of_one_id_get_their_own_answers(self, session: Callable[..., httpx.Response]) -> None:
        async def ask_all() -> list[httpx.Response]:
            async with httpx.AsyncClient(timeout=SECONDS) as http:

                def ask(number: int) -> Awaitable[httpx.Response]:
                    method = "tools/list" if number % 2 else "ping"
                    body = {"jsonrpc": "2.0", "id": 1 if number % 3 else "1", "method": method}
                    return http.post(session.url, json=body, headers=session.headers)  # type: ignore[attr-defined]

                return await asyncio.gather(*(ask(number) for number in range(20)))

        for number, response in enumerate(asyncio.run(ask_all())):
            assert response.status_code == 200
            assert ("tools" in response.json()["result"]) == bool(number % 2)
            assert response.json()["id"] == (1 if number % 3 else "1")

    def test_a_missing_accept_header_accepts_anything(self, server: Server) -> None:
        world: World = server.create()
        with connection(server) as link:
            body = b'{"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-06-18", '
            body += b'"capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}}'
            head = f"POST {httpx.URL(world.mcp_url).path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            link.sendall(head.encode() + body)
            assert answer(link).startswith("HTTP/1.1 200")


class TestWebPages:
    def preflight(self, server: Server, url: str, origin: str) -> httpx.Response:
        asked = {"access-control-request-method": "POST", "access-control-request-headers": "mcp-session-id"}
        return server.http.options(url, headers={"origin": origin, **asked})

    @pytest.mark.parametrize("origin", ["http://localhost:6274", "http://127.0.0.1", "https://[::1]:8000"])
    def test_pages_of_this_machine_may_play(self, server: Server, origin: str) -> None:
        for url in (server.create().mcp_url, f"{server.address}/mcp"):
            response = self.preflight(server, url, origin)
            assert response.status_code == 200
            assert response.headers["access-control-allow-origin"] == origin

    def test_pages_of_this_machine_may_not_use_the_control_plane(self, server: Server) -> None:
        response = self.preflight(server, f"{server.address}/v1/episodes", "http://localhost:6274")
        assert "access-control-allow-origin" not in response.headers

    def test_other_pages_must_be_allowed(self, start: Start) -> None:
        server = start("mock", "--allow-origin", "https://lab.example")
        for url in (server.create().mcp_url, f"{server.address}/v1/episodes"):
            allowed = self.preflight(server, url, "https://lab.example")
            assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, "https://lab.example")
            assert self.preflight(server, url, "https://other.example").status_code == 403
