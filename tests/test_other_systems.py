"""Modules that only some systems have are imported and used only there; everything else works without them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx

# As on Windows. Other packages that look for the system are imported first.
SCRIPT = """
import asyncio, importlib, json, os, pkgutil, signal, socket, subprocess, sys
import anyio, mcp.client.stdio, mcp.server.stdio, pytest, uvicorn

for name in ("crypt", "fcntl", "grp", "nis", "pty", "pwd", "readline", "resource", "spwd", "syslog", "termios", "tty"):
    sys.modules[name] = None
sys.modules["uvloop"] = None
for name in ("fork", "forkpty", "getuid", "geteuid", "getgid", "getppgid", "killpg", "mkfifo", "nice", "setsid"):
    if hasattr(os, name):
        delattr(os, name)
signals = "SIGKILL SIGHUP SIGQUIT SIGUSR1 SIGPIPE SIGALRM SIGCHLD SIGURG alarm pthread_kill setitimer"
for name in signals.split():
    delattr(signal, name)


def refuse(*_arguments):
    raise NotImplementedError  # as all event loops of Windows do

asyncio.SelectorEventLoop.add_signal_handler = asyncio.SelectorEventLoop.remove_signal_handler = refuse

import tau2_core
from tau2_core.runs.loading import open_catalogue

imported = 0
packages = [tau2_core, *(importlib.import_module(each.package) for each in open_catalogue().domains() if each.package)]
for package in packages:
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)
            imported += 1
assert imported > 250, imported

from tau2_core.cli.app import app

app(sys.argv[1:])
"""


START = [sys.executable, "-P", "-W", "error", "-c", SCRIPT]


def test_every_module_is_imported_and_a_run_played_without_them(tmp_path: Path) -> None:
    command = ["run", "mock", "--num-tasks", "2", "--via", "mcp", "--name", "r", "--json"]
    done = subprocess.run(
        [*START, *command],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["mean_reward"] == 1.0


def test_a_server_serves_and_keeps_without_them(tmp_path: Path) -> None:
    command = ["serve", "mock", "--port", "0", "--no-token"]
    with (
        (tmp_path / "log").open("w", encoding="utf-8") as log,
        subprocess.Popen(
            [*START, *command], cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True
        ) as server,
    ):
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            address = re.search(r"http://\S+(?=;)", line)
            assert address is not None, line + (tmp_path / "log").read_text(encoding="utf-8")
            with httpx.Client(base_url=address[0], timeout=60) as client:
                wish = {"domain": "mock", "task_id": "create_plain"}
                episode = client.post("/v1/episodes", json=wish).raise_for_status().json()
                assert client.post(episode["conversation_url"], json={"content": "What is it called?"}).is_success
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(60)
    (record,) = tmp_path.glob("runs/*/episodes.jsonl")
    assert json.loads(record.read_text(encoding="utf-8"))["task_id"] == "create_plain"
    assert "Traceback" not in (tmp_path / "log").read_text(encoding="utf-8")
