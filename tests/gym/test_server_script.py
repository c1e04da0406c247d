"""The script that eval-protocol launches: how it is started, found and stopped (spec/mcp_gym.md, 7)."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import httpx
import pytest
from mcp.client.client import Client
from mcp_types import TextContent
from tau2_gym_eval_protocol import server_script

if TYPE_CHECKING:
    from tests.forked import Forked, Forks
    from tests.gym.conftest import Start

Process: TypeAlias = "subprocess.Popen[bytes] | Forked"
Launch: TypeAlias = Callable[..., Process]


@pytest.fixture
def launch(tmp_path: Path, forks: Forks) -> Iterator[Launch]:
    """Start the script with its output in a file: as a fork, or (`fresh`) by Python, as the client does."""
    started: list[Process] = []
    script = server_script()

    def start(*options: str, fresh: bool = False, **variables: str) -> Process:
        environment = {**os.environ, **variables}
        with (tmp_path / "server_output.log").open("wb") as log:
            process: Process
            if fresh:
                command = [sys.executable, str(script), *options]
                process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=subprocess.STDOUT)
            else:
                process = forks.start(options, cwd=tmp_path, env=environment, stdout=log, stderr=log, script=script)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def until_ready(process: Process, port: int) -> None:
    """Wait as the client does: until something at localhost takes a connection."""
    while process.poll() is None:
        try:
            socket.create_connection(("localhost", port), timeout=60).close()
        except ConnectionRefusedError:
            continue
        return
    raise AssertionError(f"the server ended with {process.returncode}")


@pytest.mark.parametrize("domain", ["mock", "retail", None])
def test_it_serves_the_dialect(launch: Launch, free_port: int, tmp_path: Path, domain: str | None) -> None:
    options = [] if domain is None else ["--domain", domain]
    process = launch("--port", str(free_port), *options, PORT=str(free_port))
    until_ready(process, free_port)
    address = f"http://localhost:{free_port}"

    async def call(name: str) -> Any:
        async with Client(f"{address}/mcp/", mode="legacy") as client:
            content = (await client.call_tool(name, {})).content[0]
            assert isinstance(content, TextContent)
            return json.loads(content.text)

    name, key = {"mock": ("get_users", "observation"), "retail": ("list_all_product_types", "Acoustic Guitar")}.get(
        domain or "", ("list_all_airports", "observation")
    )
    assert key in asyncio.run(call(name))
    session = {"mcp-session-id": "6e178a71c40dc7523cbf208dbb5b36a8"}
    assert httpx.get(f"{address}/control/initial_state", headers=session).json() == {}
    assert httpx.get(f"{address}/control/reward", headers=session).json() == {"reward": 0.0, "step_count": 0}
    process.terminate()
    process.wait(60)
    log = (tmp_path / "server_output.log").read_text()
    assert f"at http://localhost:{free_port};" in log
    assert log.count("\n") == 1  # nothing is printed per call


def test_the_port_can_come_from_the_environment(launch: Launch, free_port: int) -> None:
    until_ready(launch("--domain", "mock", fresh=True, PORT=str(free_port)), free_port)
    assert httpx.get(f"http://127.0.0.1:{free_port}/healthz").status_code == 200


def test_an_unknown_domain_ends_it(launch: Launch, free_port: int, tmp_path: Path) -> None:
    assert launch("--port", str(free_port), "--domain", "moc").wait(60) == 2
    assert "did you mean 'mock'" in (tmp_path / "server_output.log").read_text()


def test_localhost_means_all_its_addresses(start: Start) -> None:
    server = start("mock", "--host", "localhost")
    addresses = {str(info[4][0]) for info in socket.getaddrinfo("localhost", 0, proto=socket.IPPROTO_TCP)}
    for address in addresses:
        socket.create_connection((address, server.port), timeout=60).close()


def test_ipv6_loopback_needs_no_token(start: Start) -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("there is no IPv6 here")
    server = start("mock", "--host", "::1")
    assert server.address.startswith("http://[::1]:")
    assert server.create("mock").value("get_users")
