"""Nothing but the models that were named is spoken to: with every other address refused, all commands work."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import ScriptedEndpoint

from tests.forked import Forks

# Python runs this at the start of every process, also of children: whatever leaves loopback is written down and fails.
GUARD = """
import os, sys

LOOPBACK = {"127.0.0.1", "::1", "localhost", None, ""}

def guard(event, args):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = args[1]
        host = address[0] if isinstance(address, tuple) else None
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        host = args[0].decode() if isinstance(args[0], bytes) else args[0]
    else:
        return
    with open(os.environ["EGRESS"], "a") as log:
        log.write(f"{event} {host}\\n")
    if host not in LOOPBACK:
        raise PermissionError(f"{event} {host}: there is no network")

sys.addaudithook(guard)
"""
# What a fork runs, as Python runs nothing in it at its start. Its children have the guard from both.
GUARDED = f"""{GUARD}
import runpy
runpy.run_module("tau2_core", run_name="__main__")
"""
COMMAND = [sys.executable, "-P", "-m", "tau2_core"]


class Cut:
    """Commands in a place from which only loopback is reached."""

    def __init__(self, place: Path, forks: Forks) -> None:
        self.place = place
        self.forks = forks
        self.log = place / "egress"
        (place / "site").mkdir()
        (place / "site" / "sitecustomize.py").write_text(GUARD)
        (place / "guarded.py").write_text(GUARDED)
        self.pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        env = os.environ | {"PYTHONPATH": str(place / "site"), "EGRESS": str(self.log)}
        self.around: dict[str, Any] = {"cwd": place, "env": env}

    def run(self, *told: object, fresh: bool = False) -> str:
        """Return what a command prints; it ends well and says nothing else. `fresh`: its imports are watched too."""
        if fresh:
            done = subprocess.run([*COMMAND, *map(str, told)], **self.pipes, **self.around, timeout=120, check=False)
        else:
            script = self.place / "guarded.py"
            done = self.forks.run(list(map(str, told)), **self.around, timeout=120, script=script)
        assert (done.returncode, done.stderr) == (0, "")
        return str(done.stdout)

    def spoken_to(self) -> set[str]:
        """Return the hosts that anything was sent to, or asked for, so far."""
        return {line.split()[1] for line in self.log.read_text().splitlines()} if self.log.exists() else set()


@pytest.fixture
def cut(tmp_path: Path, forks: Forks) -> Cut:
    return Cut(tmp_path, forks)


def test_the_guard_detects_outgoing_connections(cut: Cut) -> None:
    told = "import socket; socket.create_connection(('192.0.2.1', 9))"
    done = subprocess.run([sys.executable, "-c", told], **cut.pipes, **cut.around, timeout=120, check=False)
    assert "PermissionError: socket.getaddrinfo 192.0.2.1: there is no network" in done.stderr
    assert cut.spoken_to() == {"192.0.2.1"}


@pytest.mark.timeout(400)
def test_run_grade_and_replay(cut: Cut, setting_of: Callable[..., Any]) -> None:
    with ScriptedEndpoint(GoldScript.of(setting_of("mock"))) as endpoint:
        arguments = json.dumps({"api_base": endpoint.url, "api_key": "none"})
        told = ["run", "mock", "--judge-all", "--name", "r", "--record", "cassette.jsonl"]
        for role, model in (("agent", "openai/gpt-4.1"), ("user", "endpoint/customer")):
            told += [f"--{role}-model", model, f"--{role}-args", arguments]
        assert "solved 18" in cut.run(*told, fresh=True)
        judge = ["--judge-model", "endpoint/judge", "--judge-args", arguments]
        assert "judged 18 of the 18" in cut.run("grade", "runs/r", *judge)
    assert endpoint.failures == []
    assert cut.spoken_to() == {"127.0.0.1"}

    cut.log.unlink()
    models = ["--agent-model", "openai/gpt-4.1", "--user-model", "endpoint/customer"]
    assert "solved 18" in cut.run("run", "mock", *models, "--replay", "cassette.jsonl")
    call = {"requestor": "assistant", "name": "get_users", "arguments": {}, "error": False, "compare": "outcome"}
    episode = {"id": "by-hand", "domain": "mock", "calls": [call | {"content": ""}], "assertions": []}
    (cut.place / "calls.jsonl").write_text(json.dumps(episode) + "\n")
    assert "calls 1" in cut.run("replay", "calls.jsonl")
    assert cut.run("grade", "runs/r", "--evaluators", "strict")
    assert cut.spoken_to() == set()


def test_via_mcp(cut: Cut) -> None:
    assert "solved 18" in cut.run("run", "mock", "--via", "mcp", fresh=True)
    assert cut.spoken_to() == {"127.0.0.1"}


def test_serve(cut: Cut) -> None:
    server = subprocess.Popen([*COMMAND, "serve", "mock", "--port", "0"], **cut.pipes, **cut.around)
    assert server.stdout is not None
    try:
        found = re.search(r"http://\S+?:\d+", server.stdout.readline())
        assert found is not None
        made = httpx.post(f"{found[0]}/v1/episodes", json={"domain": "mock"}, timeout=60).raise_for_status().json()
        graded = httpx.get(f"{found[0]}/v1/episodes/{made['id']}/reward", timeout=60)
        assert graded.status_code == 200
    finally:
        server.terminate()
        server.communicate(timeout=60)
    assert cut.spoken_to() <= {"127.0.0.1"}
