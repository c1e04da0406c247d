"""A server in a process of its own, and worlds on it, driven over HTTP as by any client."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest

from tests.forked import Forked, Forks

SECONDS = 60  # more than anything takes, so that a hanging test fails
REVISION = "2026-07-28"
PREFIX = "io.modelcontextprotocol"
MCP = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


@dataclass(eq=False)
class Server:
    """A running `tau2-gym serve`."""

    process: Forked
    address: str
    folder: Path
    http: httpx.Client

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def create(self, domain: str = "mock", **wishes: Any) -> World:
        response = self.http.post("/v1/episodes", json={"domain": domain, **wishes})
        assert response.status_code == 201, response.text
        return World(self, response.json())

    def rpc(self, url: str, method: str, params: dict[str, Any] | None = None) -> httpx.Response:
        """Post a request of the revision without sessions."""
        body, headers = stateless(method, params or {})
        return self.http.post(url, content=body, headers=headers)

    def send_only(self, url: str, body: bytes, headers: dict[str, str]) -> socket.socket:
        """Post something without waiting for the answer, and make sure that the server has read it."""
        given = {"Host": "localhost", "Content-Length": str(len(body)), **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)
        connection.sendall(f"POST {httpx.URL(url).path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        httpx.get(f"{self.address}/healthz").raise_for_status()  # a connection that was opened earlier is read earlier
        return connection

    def kept(self, name: str = "episodes.jsonl") -> list[dict[str, Any]]:
        """Return the lines of a file in the run folder."""
        return [
            json.loads(line)
            for file in sorted(self.folder.glob(f"runs/*-serve/{name}"))
            for line in file.read_text(encoding="utf-8").splitlines()
        ]

    def log(self) -> str:
        return (self.folder / "stderr").read_text(encoding="utf-8")

    def resident(self) -> int:
        """Return the process's resident memory in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """Stop the server; its log must contain no error of its own."""
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        code = self.process.wait(SECONDS)
        assert "Traceback" not in self.log(), self.log()
        return code


@dataclass(eq=False)
class World:
    """An episode, and access to it on both planes."""

    server: Server
    urls: dict[str, Any]

    @property
    def id(self) -> str:
        value: str = self.urls["id"]
        return value

    @property
    def mcp_url(self) -> str:
        value: str = self.urls["mcp_url"]
        return value

    def call(self, name: str, arguments: dict[str, Any] | None = None, *, user: bool = False) -> dict[str, Any]:
        """Make a tool call; return the result, `isError`, `content` and all."""
        url = self.urls["user_mcp_url"] if user else self.mcp_url
        response = self.server.rpc(url, "tools/call", {"name": name, "arguments": arguments or {}})
        assert response.status_code == 200, response.text
        result: dict[str, Any] = response.json()["result"]
        return result

    def text(self, name: str, arguments: dict[str, Any] | None = None, *, user: bool = False) -> str:
        """Make a tool call that succeeds; return its text."""
        result = self.call(name, arguments, user=user)
        assert not result["isError"], result
        (content,) = result["content"]
        text: str = content["text"]
        return text

    def value(self, name: str, arguments: dict[str, Any] | None = None, *, user: bool = False) -> Any:
        """Make a tool call that succeeds and answers with JSON; return its value."""
        return json.loads(self.text(name, arguments, user=user))

    def tools(self, *, user: bool = False) -> list[dict[str, Any]]:
        response = self.server.rpc(self.urls["user_mcp_url"] if user else self.mcp_url, "tools/list")
        found: list[dict[str, Any]] = response.json()["result"]["tools"]
        return found

    def control(self, method: str = "GET", what: str = "", body: Any = None) -> httpx.Response:
        """Ask the control plane: `what` is "", "/reward", "/record" or "/reset"."""
        return self.server.http.request(method, f"/v1/episodes/{self.id}{what}", json=body)

    def state(self) -> dict[str, Any]:
        value: dict[str, Any] = self.control().raise_for_status().json()
        return value

    def record(self) -> dict[str, Any]:
        value: dict[str, Any] = self.control(what="/record").raise_for_status().json()
        return value

    def reward(self) -> float | None:
        value: float | None = self.control(what="/reward").raise_for_status().json()["reward"]
        return value

    def digests(self) -> dict[str, str]:
        value: dict[str, str] = self.state()["digests"]
        return value

    def say(self, content: str | None = None) -> httpx.Response:
        """Say something on the conversation plane; without a text, only read it."""
        url = self.urls["conversation_url"]
        return self.server.http.get(url) if content is None else self.server.http.post(url, json={"content": content})

    def delete(self) -> None:
        assert self.control("DELETE").status_code == 204


def stateless(method: str, params: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of a request of the revision without sessions."""
    meta = {f"{PREFIX}/protocolVersion": REVISION, f"{PREFIX}/clientCapabilities": {}}
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
    named = params.get("name") or params.get("uri")
    headers = {**MCP, "MCP-Protocol-Version": REVISION, "Mcp-Method": method, **({"Mcp-Name": named} if named else {})}
    return json.dumps(body).encode(), headers


Start: TypeAlias = Callable[..., Server]


@dataclass(eq=False)
class _Starter:
    forks: Forks
    folders: Iterator[Path]
    stack: ExitStack = field(default_factory=ExitStack)

    def __call__(self, *options: object, **variables: str) -> Server:
        """Start a server with these options in a folder of its own; wait for the line with its address."""
        folder = next(self.folders)
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "TAU2_GYM"))}
        if "--token" not in options and "TAU2_GYM_TOKEN" not in variables and "--printed-token" not in options:
            options = (*options, "--no-token")
        options = tuple(option for option in options if option not in ("--printed-token",))
        with (folder / "stderr").open("w", encoding="utf-8") as errors:
            process = self.forks.start(
                ["serve", "--port", "0", *map(str, options)],
                cwd=folder,
                env=inherited | variables,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        self.stack.callback(_end, process)
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r" at (http://\S+);", line)
        assert found, f"{line}{(folder / 'stderr').read_text(encoding='utf-8')}"
        printed = re.search(r"the token (\S+)$", line)
        token = str(options[options.index("--token") + 1]) if "--token" in options else printed and printed[1]
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        server = Server(process, found[1], folder, httpx.Client(base_url=found[1], timeout=SECONDS, headers=headers))
        self.stack.callback(server.stop)
        return server


def _end(process: Forked) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()
    assert process.stdout is not None
    process.stdout.close()


def _folders(make: Callable[[], Path]) -> Iterator[Path]:
    while True:
        yield make()


@pytest.fixture
def start(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start servers for one test: `start("mock", "--token", "x", TAU2_GYM_DISABLE="airline")`.

    Without a token they are started with `--no-token`, or with one that they print if `--printed-token` is given.
    """
    starter = _Starter(forks, _folders(lambda: tmp_path_factory.mktemp("server")))
    with starter.stack:
        yield starter


@pytest.fixture(scope="module")
def start_for_all(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start servers for all tests of a module."""
    starter = _Starter(forks, _folders(lambda: tmp_path_factory.mktemp("server")))
    with starter.stack:
        yield starter


@pytest.fixture(scope="session")
def server(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of all domains, for tests that only add episodes to it."""
    starter = _Starter(forks, _folders(lambda: tmp_path_factory.mktemp("server")))
    with starter.stack:
        yield starter()


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def stateless_request() -> Callable[[str, dict[str, Any]], tuple[bytes, dict[str, str]]]:
    return stateless


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
