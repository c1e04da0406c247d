"""The process whose forks are commands: `python fork_origin.py SOCKET PROGRAM [MODULE…]`, started by tests/forked.py.

It imports the core, the program and the modules, and forks for each request that comes over the socket.
"""

from __future__ import annotations

import asyncio
import atexit
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import tempfile
import threading
import time
from array import array
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

HEAVY = ("tau2_core.__main__", "tau2_core.testing.plugin")  # not imported: modules that run something, or import pytest
SCRIPTS = (".server_script", ".end_with_parent")
# Modules of other libraries that most commands import late; older versions lack some of them.
LATER = (
    "concurrent.futures.thread",
    "encodings.unicode_escape",
    "encodings.utf_8_sig",
    "rich._emoji_codes",
    "rich._unicode_data.unicode17-0-0",
    "rich.progress",
    "typer._adapters",
    "typer._click.decorators",
    "uvloop",
)
LATER_IN_SERVERS = ("anyio._backends._asyncio", "httpcore2", "pydantic.v1", "truststore", "uvicorn.lifespan.on")
LATER_WITH_LITELLM = (
    "litellm.proxy._types",
    "litellm.proxy.openai_files_endpoints.common_utils",
    "litellm.responses.mcp.chat_completions_handler",
    "openai.lib.streaming.chat",
    "openai.resources",
)
STARTING_WORKERS = {"--executor", "--workers", "grade"}  # words of commands that may start workers
WORKER = "tau2_core.worker"
STARTER = "starter"  # the name of the process that forks a command's workers
PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 15, 36


def _serve(requests: socket.socket) -> list[int] | None:
    """Fork for each request, and return its files in the process that is to do it; return None when none can follow.

    Report the number of each process and, at its end, its exit code: who asked is not the parent, and cannot wait.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    reports: dict[int, int] = {}
    awaited = [requests]
    ended, ending = socket.socketpair()  # `ended` can be read once a child has ended
    with ended, ending:
        ending.setblocking(False)
        signal.set_wakeup_fd(ending.fileno())
        while awaited or reports:
            ready, _, _ = select.select([ended, *awaited], [], [])
            if ended in ready:
                ended.recv(4096)
                _report_ends(reports)
            if requests not in ready:
                continue
            message, files, _, _ = socket.recv_fds(requests, 1, 5)
            if not message:
                awaited.clear()
                continue
            child = os.fork()
            if child == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                requests.close()
                for file in (*reports.values(), files.pop()):
                    os.close(file)
                return files
            reports[child] = files.pop()
            _report(reports[child], child)
            for file in files:
                os.close(file)
        signal.set_wakeup_fd(-1)
    return None


def _report_ends(reports: dict[int, int]) -> None:
    """Report the exit codes of all children that have ended; forget them."""
    while reports:
        child, status = os.waitpid(-1, os.WNOHANG)
        if child == 0:
            return
        _report(reports[child], os.waitstatus_to_exitcode(status))
        os.close(reports.pop(child))


def _report(file: int, number: int) -> None:
    os.write(file, array("i", [number]).tobytes())


def _become(request: int, stdin: int, stdout: int, stderr: int, *handles: int) -> str:
    """Turn this process into one that was started as requested; return the script to run, or ""."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with os.fdopen(request, encoding="utf-8") as file:
        file.seek(0)
        wish = json.load(file)
    for number, stream in enumerate((stdin, stdout, stderr)):
        os.dup2(stream, number)
        os.close(stream)
    for handle, number in zip(handles, wish["handles"], strict=True):
        os.dup2(handle, number)
        if handle != number:
            os.close(handle)
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(0, encoding="utf-8", closefd=False),
        os.fdopen(1, "w", encoding="utf-8", closefd=False),
        os.fdopen(2, "w", encoding="utf-8", closefd=False, buffering=1, errors="backslashreplace"),
    )
    os.chdir(wish["cwd"])
    os.environ.clear()
    os.environ.update(wish["env"])
    time.tzset()
    paths = [path for path in wish["env"].get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = dict.fromkeys([*paths, *sys.path])
    sys.dont_write_bytecode = bool(wish["env"].get("PYTHONDONTWRITEBYTECODE"))
    sys.argv[1:] = wish["arguments"]
    return str(wish.get("script", ""))


class Worker:
    """A worker that this process started: what `asyncio.subprocess.Process` offers, as far as the core needs it."""

    def __init__(self, pid: int, stdin: int) -> None:
        self.pid = pid
        self.stdin = self
        self.returncode: int | None = None
        self._input = stdin
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        handle = os.pidfd_open(pid)
        self._loop.add_reader(handle, self._end, handle)

    def write(self, text: bytes) -> None:
        os.write(self._input, text)

    async def wait(self) -> int:
        await asyncio.wait([self._ended])
        assert self.returncode is not None
        return self.returncode

    def kill(self) -> None:
        if self.returncode is None:
            os.kill(self.pid, signal.SIGKILL)

    def _end(self, handle: int) -> None:
        self._loop.remove_reader(handle)
        self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        for file in (handle, self._input):
            os.close(file)
        self._ended.set_result(None)


def _fork_workers() -> list[int]:
    """From now on, start workers of this process as forks of it as it is now; return, in each of them, its files.

    A process beside it keeps that state, and forks twice, so that the worker is orphaned and this process adopts it.
    """
    ours, theirs = socket.socketpair()
    if os.fork():
        theirs.close()
        _prctl(PR_SET_CHILD_SUBREAPER, 1)
        asyncio.create_subprocess_exec = partial(_start, ours, asyncio.create_subprocess_exec)
        return []
    ours.close()
    _prctl(PR_SET_NAME, STARTER.encode())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        message, files, _, _ = socket.recv_fds(theirs, 1, 5)
        if not message:
            os._exit(0)
        between = os.fork()
        if between == 0:
            worker = os.fork()
            if worker == 0:
                theirs.close()
                _prctl(PR_SET_NAME, b"worker")
                return files
            _report(theirs.fileno(), worker)
            os._exit(0)
        os.waitpid(between, 0)
        theirs.send(b".")  # it is adopted
        for file in files:
            os.close(file)


async def _start(
    starter: socket.socket,
    real: Callable[..., Awaitable[Any]],
    *command: str,
    stdin: int | None = None,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    **others: Any,
) -> Any:
    """Start a worker as a fork, and another command as ever."""
    if command[:4] != (sys.executable, "-P", "-m", WORKER) or others:
        return await real(*command, stdin=stdin, env=env, pass_fds=pass_fds, **others)
    reader, writer = os.pipe()
    with tempfile.TemporaryFile() as request:
        wish = {
            "arguments": command[4:],
            "cwd": str(Path.cwd()),
            "env": dict(env or os.environ),
            "handles": list(pass_fds),
        }
        request.write(json.dumps(wish).encode())
        request.flush()
        socket.send_fds(starter, [b"."], [request.fileno(), reader, 1, 2, *pass_fds])
    os.close(reader)
    numbers = array("i")
    numbers.frombytes(starter.recv(numbers.itemsize, socket.MSG_WAITALL))
    starter.recv(1)
    return Worker(numbers[0], writer)


def _prctl(option: int, value: int | bytes) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _leave(end: SystemExit) -> None:
    """End as Python does, but skip the clean-up of imported modules, which would take longer than most commands."""
    if not isinstance(end.code, int):
        raise end
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    gc.collect(1)  # objects that the command has left may still print
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(end.code)


def _import_all_of(package: str) -> None:
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if not module.name.startswith(HEAVY) and not module.name.endswith(SCRIPTS):
            importlib.import_module(module.name)


if __name__ == "__main__":
    _, number, program, *imports = sys.argv
    with socket.socket(fileno=int(number)) as asked:
        gc.disable()  # while permanent modules are imported
        _import_all_of("tau2_core")
        if program == "pytest":
            import pytest  # noqa: F401

            _import_all_of("tau2_gym_eval_protocol")
        for name in imports:
            importlib.import_module(name)
        for name in (*LATER, *LATER_IN_SERVERS, *(LATER_WITH_LITELLM if "litellm" in imports else ())):
            with suppress(ImportError):  # older versions
                importlib.import_module(name)
        runpy.run_path(str(Path(__file__).with_name("fork_preparation.py")))["prepare"]()
        gc.enable()
        gc.collect()  # the next full one, which would copy the shared memory, is then far away
        asked.send(b".")
        files = _serve(asked)
    if files is not None:
        script = _become(*files)
        if sys.platform == "linux" and not STARTING_WORKERS.isdisjoint(sys.argv):
            files = _fork_workers()
            if files:
                program, script = WORKER, ""
                _become(*files)
                del sys.modules[WORKER]
        try:
            if script:
                runpy.run_path(script, run_name="__main__")
            else:
                runpy.run_module(program, run_name="__main__", alter_sys=True)
            if program == WORKER:
                sys.exit(0)
        except SystemExit as end:
            _leave(end)
