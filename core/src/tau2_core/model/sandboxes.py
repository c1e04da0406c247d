"""Sandboxes: where the commands of an agent run, shut off from the machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """Limits of a command: seconds, bytes of memory, processes at a time, bytes of each output and of each file."""

    seconds: float = 30.0
    memory: int = 512 * 2**20
    processes: int = 64
    output: int = 2**20
    file: int = 16 * 2**20


@dataclass(frozen=True, slots=True)
class FinishedCommand:
    """How a command ended. `code` is 124 after a timeout. `cut`: its output was longer and was cut off."""

    code: int
    output: str
    errors: str
    cut: bool = False


class Sandbox(Protocol):
    """Runs commands that may be hostile: without network, and without the files of the machine or of other episodes."""

    async def run(self, folder: Path, command: str, *, writable: bool, limits: SandboxLimits) -> FinishedCommand:
        """Run a shell command in a folder, which it may change only if that is `writable`.

        Raises ToolError if the command cannot be run, such as one with a null character, and OSError if no command can.
        """
