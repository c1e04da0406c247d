"""Run commands in bubblewrap."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tau2_core import FinishedCommand, SandboxLimits, ToolError, UnavailableError

TIME_IS_UP = 124
INSIDE = "/documents"
LONGEST = 100_000  # bytes; the kernel takes no argument of more than 128 KiB
PROBE_SECONDS = 10.0
CHUNK = 65_536
# A shell sets the limits of each process and then becomes the command's shell. The numbers are passed as arguments.
_LIMITED = 'ulimit -t "$1" -v "$2" -u "$3" -f "$4" -c 0 && exec bash -c "$5"'
_INSTALL = "install it, as with apt-get install bubblewrap, or play a variant without a shell"
_ALLOW = "allow users to create namespaces, or play a variant without a shell"


class Bubblewrap:
    """Runs each command in namespaces of its own, without network, over the machine's programs and one folder."""

    def __init__(self, program: str, guards: tuple[str, ...]) -> None:
        self._program = program
        self._guards = guards

    async def run(self, folder: Path, command: str, *, writable: bool, limits: SandboxLimits) -> FinishedCommand:
        """Run a command in a folder; see `tau2_core.Sandbox`. When cancelled, it kills what is running."""
        _refuse(command)
        process = await asyncio.create_subprocess_exec(
            self._program,
            *self._guards,
            *_world(folder, writable=writable, most=limits.file),
            *("bash", "-c", _LIMITED, "limits"),
            *(str(number) for number in _numbers(limits)),
            command,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
        )
        try:
            async with asyncio.timeout(limits.seconds):
                return await _finished(process, limits.output)
        except TimeoutError:
            return FinishedCommand(TIME_IS_UP, "", "")
        finally:
            if process.returncode is None:
                process.kill()  # which also kills all processes inside
                await process.wait()


def _refuse(command: str) -> None:
    """Refuse a command that the system cannot pass to a program. Raises ToolError."""
    if "\0" in command:
        raise ToolError("the command contains a null character; leave it out")
    size = len(command.encode("utf-8", "surrogatepass"))
    if size > LONGEST:
        raise ToolError(f"the command has {size} bytes; give one of at most {LONGEST}")
    if not command.isascii():
        try:
            command.encode()
        except UnicodeEncodeError as error:
            raise ToolError("the command contains half of a surrogate pair; leave it out") from error


async def _finished(process: Process, most: int) -> FinishedCommand:
    assert process.stdout is not None
    assert process.stderr is not None
    output, errors = await asyncio.gather(_read(process.stdout, most), _read(process.stderr, most))
    code = await process.wait()
    return FinishedCommand(code, output[0], errors[0], cut=output[1])


async def _read(stream: asyncio.StreamReader, most: int) -> tuple[str, bool]:
    """Return the first `most` bytes of a stream as text, and whether there was more, which is dropped."""
    kept = bytearray()
    cut = False
    while chunk := await stream.read(CHUNK):
        space = most - len(kept)
        kept += chunk[:space]
        cut = cut or len(chunk) > space
    return kept.decode("utf-8", "replace"), cut


def _numbers(limits: SandboxLimits) -> tuple[int, int, int, int]:
    """Return the limits as `ulimit` counts them: CPU seconds, KiB of memory, processes, KiB of a file."""
    return max(1, round(limits.seconds)), limits.memory // 1024, limits.processes, limits.file // 1024


def _world(folder: Path, *, writable: bool, most: int) -> Iterator[str]:
    """Yield bubblewrap's arguments for the files that are visible inside."""
    yield from ("--ro-bind", "/usr", "/usr")
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        place = Path("/", name)
        if place.is_symlink():
            yield from ("--symlink", str(place.readlink()), str(place))
        elif place.is_dir():
            yield from ("--ro-bind", str(place), str(place))
    for name in ("alternatives", "ld.so.cache"):
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")
    yield from ("--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev")
    yield from ("--size", str(most), "--tmpfs", "/tmp")  # noqa: S108 - inside, where it is empty
    yield from ("--bind" if writable else "--ro-bind", str(folder), INSIDE)
    yield from ("--remount-ro", "/", "--chdir", INSIDE)


def open_sandbox() -> Bubblewrap:
    """Return the sandbox. Raises UnavailableError if bubblewrap is not installed, or cannot create namespaces here."""
    if sys.platform != "linux":
        raise UnavailableError(f"bubblewrap works on Linux only, not on {sys.platform}; play a variant without a shell")
    program = shutil.which("bwrap")
    if program is None:
        raise UnavailableError(f"the program bwrap of bubblewrap is not on the PATH: {_INSTALL}")
    return _tried(program)


@cache
def _tried(program: str) -> Bubblewrap:
    """Return the sandbox after trying the program once. Raises UnavailableError if it does not work."""
    environment = ("--clearenv", "--setenv", "PATH", "/usr/bin:/bin", "--setenv", "LC_ALL", "C.UTF-8")
    guards: tuple[str, ...] = (
        "--unshare-all",
        "--unshare-user",
        "--die-with-parent",
        "--new-session",
        "--cap-drop",
        "ALL",
    )
    guards += (*environment, "--setenv", "HOME", INSIDE)
    trial = [program, *guards, *_world(Path("/usr"), writable=False, most=4096), "bash", "-c", "true"]
    try:
        done = subprocess.run(trial, capture_output=True, timeout=PROBE_SECONDS, check=False, text=True)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"bubblewrap does not work here: {error}; {_ALLOW}") from error
    if done.returncode != 0:
        raise UnavailableError(f"bubblewrap does not work here: {done.stderr.strip()}; {_ALLOW}")
    return Bubblewrap(program, guards)
