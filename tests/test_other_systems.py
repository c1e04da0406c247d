"""What only some systems have is imported and used where it is there; nothing else fails without it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

# As on Windows. What other packages import there is their affair, so those that look for the system come first.
SCRIPT = """
import asyncio, importlib, json, os, pkgutil, signal, socket, subprocess, sys
import anyio, mcp.client.stdio, mcp.server.stdio, pytest, uvicorn

for name in ("crypt", "fcntl", "grp", "nis", "pty", "pwd", "readline", "resource", "spwd", "syslog", "termios", "tty"):
    sys.modules[name] = None
sys.modules["uvloop"] = None
for name in ("fork", "forkpty", "getuid", "geteuid", "getgid", "getppgid", "killpg", "mkfifo", "nice", "setsid"):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGKILL", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGPIPE", "SIGALRM", "SIGCHLD", "alarm", "setitimer"):
    delattr(signal, name)

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


def test_every_module_is_imported_and_a_run_played_without_them(tmp_path: Path) -> None:
    command = ["run", "mock", "--num-tasks", "2", "--via", "mcp", "--name", "r", "--json"]
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", SCRIPT, *command],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["mean_reward"] == 1.0
