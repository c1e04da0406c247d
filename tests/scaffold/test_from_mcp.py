"""`tau2-gym new --from-mcp`: the tools that a server lists become a pack; one that fails leaves nothing behind."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from tau2_core.packs.yaml_source import read_yaml

Gym = Callable[..., CompletedProcess[str]]

# Answers `initialize` or `server/discover` and `tools/list`, as a server of either era does, with what TOOLS says.
SERVER = """
import json, sys
TOOLS = json.loads(sys.argv[1])
print("starting up", file=sys.stderr)
for line in sys.stdin:
    ask = json.loads(line)
    if "id" not in ask:
        continue
    if ask["method"] == "initialize":
        result = {"protocolVersion": ask["params"]["protocolVersion"], "capabilities": {"tools": {}},
                  "serverInfo": {"name": "desk", "version": "1"}}
    elif ask["method"] == "tools/list":
        result = TOOLS if isinstance(TOOLS, dict) else {"tools": TOOLS}
    else:
        print(json.dumps({"jsonrpc": "2.0", "id": ask["id"], "error": {"code": -32601, "message": "no"}}), flush=True)
        continue
    print(json.dumps({"jsonrpc": "2.0", "id": ask["id"], "result": result}), flush=True)
"""
NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
TOOLS = [
    {
        "name": "look_up",
        "description": "Look an order up.",
        "inputSchema": {"type": "object", "properties": {"order-id": {"type": "string"}}, "required": ["order-id"]},
        "annotations": {"readOnlyHint": True},
    },
    {
        "name": "cancel order",
        "inputSchema": {
            "type": "object",
            "properties": {"node": {"$ref": "#/$defs/Node"}, "far": {"$ref": "http://127.0.0.1:9/x.json"}},
            "$defs": {"Node": NODE},
        },
    },
]


@pytest.fixture
def server(tmp_path: Path) -> Callable[[Any], str]:
    """Return the command of a server that lists tools."""
    file = tmp_path / "server.py"
    file.write_text(SERVER, encoding="utf-8")
    return lambda tools: f"{sys.executable} {file} '{json.dumps(tools)}'"


def test_tools_of_a_server_over_stdio(gym: Gym, tmp_path: Path, server: Callable[[Any], str]) -> None:
    done = gym("new", "corner_shop", "--from-mcp", server(TOOLS))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    for told in (
        "left out: a cycle: #/$defs/Node (cancel order)",
        "left out: a reference to another document, which is never fetched: http://127.0.0.1:9/x.json (cancel order)",
        "guessed: names that are taken, or that providers do not accept: cancel order is cancel_order",
        "guessed: missing descriptions of tools: cancel order",
        "guessed: `write` for tools that do not say whether they only read: cancel order",
        "imported: 2 tools, 0 records",
    ):
        assert told in done.stdout
    made = read_yaml(tmp_path / "corner_shop" / "tools" / "agent.yaml").value
    assert {name: entry["kind"] for name, entry in made.items()} == {"look_up": "read", "cancel_order": "write"}
    assert made["look_up"]["parameters"] == {"order-id": {"type": "string", "alias": "order_id"}}
    report = json.loads(gym("check", "--pack", "corner_shop", "--json").stdout)
    assert [row["code"] for row in report["problems"]] == ["T2G025", "T2G025"]


@pytest.mark.domain("mock")
def test_tools_of_a_server_over_http(gym: Gym, tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "tau2_core", "serve", "mock", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as serving:
        try:
            assert serving.stdout is not None
            address = "http://" + serving.stdout.readline().partition("http://")[2].split(";")[0].split()[0].strip()
            done = gym("new", "corner_shop", "--from-mcp", f"{address}/mcp")
        finally:
            serving.terminate()
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "imported: 4 tools, 0 records" in done.stdout
    made = read_yaml(tmp_path / "corner_shop" / "tools" / "agent.yaml").value
    assert {name: entry["kind"] for name, entry in made.items()} == {
        "create_task": "write",
        "get_users": "read",
        "update_task_status": "write",
        "transfer_to_human_agents": "read",
    }


@pytest.mark.parametrize(
    "target",
    [
        "no-such-program --x",
        f"{sys.executable} -c 'raise SystemExit(3)'",
        f"{sys.executable} -c 'print(5)'",
        "http://127.0.0.1:9/mcp",
        "https://[",
        "'unclosed",
        "",
    ],
)
def test_a_server_that_does_not_start_is_an_error(gym: Gym, tmp_path: Path, target: str) -> None:
    done = gym("new", "corner_shop", "--from-mcp", target)
    assert (done.returncode, done.stderr.startswith("error: --from-mcp")) == (2, True), done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "tools",
    [
        [],
        [{"name": "x"}],
        [{"name": "x", "inputSchema": {"type": "string"}}],
        {"tools": 5},
        {"tools": [{"name": 5, "inputSchema": {"type": "object"}}]},
    ],
    ids=["none", "no schema", "no object", "no list", "no name"],
)
def test_a_server_with_invalid_answers_is_an_error(
    gym: Gym, tmp_path: Path, server: Callable[[Any], str], tools: Any
) -> None:
    done = gym("new", "corner_shop", "--from-mcp", server(tools))
    assert (done.returncode, done.stderr.startswith("error: --from-mcp")) == (2, True), done.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["server.py"]


# Neither answers; the second does not end either when it is asked to.
MUTE = {
    "silent": "import os, sys, time; print(os.getpid(), file=open(sys.argv[1], 'w')); time.sleep(600)",
    "stubborn": """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), file=open(sys.argv[1], "w"), flush=True)
while True:
    print("garbage", flush=True)
    time.sleep(0.1)
""",
}


@pytest.mark.parametrize("kind", MUTE)
def test_an_unresponsive_server_times_out_and_is_ended(gym: Gym, tmp_path: Path, kind: str) -> None:
    (tmp_path / "mute.py").write_text(MUTE[kind], encoding="utf-8")
    command = f"{sys.executable} {tmp_path / 'mute.py'} {tmp_path / 'pid'}"
    done = gym("new", "corner_shop", "--from-mcp", command, "--timeout", "1")
    assert (done.returncode, "it did not list its tools within 1 seconds" in done.stderr) == (2, True), done.stderr
    assert sorted(each.name for each in tmp_path.iterdir()) == ["mute.py", "pid"]
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_an_unresponsive_address_times_out(gym: Gym, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"http://127.0.0.1:{mute.getsockname()[1]}/mcp"
        done = gym("new", "corner_shop", "--from-mcp", address, "--timeout", "0.5")
    assert (done.returncode, "it did not list its tools within 0.5 seconds" in done.stderr) == (2, True), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_time_limit_without_a_server_is_refused(gym: Gym) -> None:
    done = gym("new", "corner_shop", "--timeout", "5")
    assert (done.returncode, done.stderr) == (2, "error: --timeout is an option of --from-mcp\n")


def test_a_server_that_repeats_a_page_is_read_once(gym: Gym, tmp_path: Path, server: Callable[[Any], str]) -> None:
    done = gym("new", "corner_shop", "--from-mcp", server({"tools": TOOLS, "nextCursor": "again"}))
    assert done.returncode == 0, done.stderr
    assert "look_up is look_up_2" in done.stdout
