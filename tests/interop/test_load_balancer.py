"""Two servers with workers behind nginx, with the configuration that the documentation shows."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tau2_core.gym.client import open_sides
from websockets.sync.client import connect

PAGE = Path(__file__).parents[2] / "docs/how-to/serve-at-scale.md"
NEW_TASK = {"user_id": "piet_lindgren", "title": "Tune the piano"}
SECONDS = 60


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(folder: Path, public_url: str) -> Iterator[str]:
    """Run a server of two workers within the block; the value is its address."""
    folder.mkdir()
    command = [sys.executable, "-P", "-m", "tau2_core", "serve", "mock", "--port", "0", "--no-token", "--workers", "2"]
    with subprocess.Popen(
        [*command, "--public-url", public_url], cwd=folder, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            found = re.search(r" at http://(\S+);", server.stdout.readline())
            assert found is not None
            yield found[1]
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def balanced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of nginx in front of two servers."""
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/bin")
    if nginx is None:
        pytest.skip("nginx is not installed: apt-get install nginx-light")
    folder = tmp_path_factory.mktemp("nginx")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    (shown,) = re.findall(r"^```\n(upstream .*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    with ExitStack() as stack:
        shown = shown.replace("listen 80;", f"listen 127.0.0.1:{port};")
        for number, name in ((1, "one"), (2, "two")):
            own = stack.enter_context(serving(folder / name, f"{address}/{name}"))
            shown = shown.replace(f"10.0.0.{number}:8700", own)
        paths = "".join(
            f"{what}_temp_path {folder}/{what};" for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        file = folder / "nginx.conf"
        file.write_text(
            f"daemon off; pid {folder}/pid; error_log stderr warn; events {{}}\n"
            f"http {{ access_log off; {paths}\n{shown}}}"
        )
        process = stack.enter_context(subprocess.Popen([nginx, "-c", str(file), "-p", str(folder)]))
        stack.callback(process.terminate)
        while True:
            assert process.poll() is None
            try:
                httpx.get(f"{address}/healthz", timeout=SECONDS).raise_for_status()
            except httpx.ConnectError:
                continue
            break
        yield address


def test_episodes_are_played_at_the_server_that_opened_them(balanced: str) -> None:
    with httpx.Client(base_url=balanced, timeout=SECONDS) as harness:
        episodes = [harness.post("/v1/episodes", json={"domain": "mock", "task_id": "create_plain"}) for _ in range(8)]
        urls = [each.raise_for_status().json() for each in episodes]
        servers = {url["mcp_url"].removeprefix(balanced).split("/")[1] for url in urls}
        assert servers == {"one", "two"}
        assert all(
            url["control_url"].startswith(f"{balanced}/{url['mcp_url'].removeprefix(balanced).split('/')[1]}/")
            for url in urls
        )

        async def play(url: dict[str, Any]) -> bool:
            async with open_sides({"assistant": url["mcp_url"]}) as clients:
                return bool((await clients["assistant"].call_tool("create_task", NEW_TASK)).is_error)

        async def all_of_them() -> list[bool]:
            return await asyncio.gather(*map(play, urls))

        assert asyncio.run(all_of_them()) == [False] * 8
        assert [harness.get(f"{url['control_url']}/reward").json()["reward"] for url in urls] == [1.0] * 8
        for url in urls:
            assert httpx.get(url["conversation_url"], timeout=SECONDS).json()["status"] == "open"
        counted = [harness.get(f"/{name}/v1/episodes").json() for name in ("one", "two")]
        assert sum(map(len, counted)) == 8
        assert all(counted)


def test_clients_of_dialects_have_one_server_each(balanced: str) -> None:
    for name in ("one", "two"):
        with connect(f"ws{balanced.removeprefix('http')}/{name}/openenv/mock/ws") as environment:
            environment.send(json.dumps({"type": "reset", "data": {"task_id": "create_plain"}}))
            assert json.loads(environment.recv(timeout=SECONDS))["type"] == "observation"
        with httpx.Client(base_url=f"{balanced}/{name}/", timeout=SECONDS) as agent:
            agent.post("seed_session", json={"task_id": "create_plain", "domain": "mock"}).raise_for_status()
            assert "task_7" in agent.post("create_task", json=NEW_TASK).text


def test_an_upload_that_is_too_large_is_refused_by_the_server(balanced: str) -> None:
    answer = httpx.post(f"{balanced}/one/v1/episodes", content=b"x" * 1_048_577, timeout=SECONDS)
    assert answer.status_code == 413
