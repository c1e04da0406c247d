"""The interface of an executor, which starts the workers of a run, each in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Protocol

from tau2_core.errors import UsageError


@dataclass(frozen=True, slots=True)
class Invitation:
    """How a worker reaches its run: an address, and a secret that proves that the worker was invited.

    `number` identifies the worker within the run.
    """

    host: str
    port: int
    number: int
    key: str = field(repr=False)

    def text(self) -> str:
        """Return the invitation as one line of text, to be passed to a worker. It contains the secret."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Invitation:
        """Return the invitation of a text. Raises UsageError."""
        try:
            found = json.loads(text)
            return cls(str(found["host"]), int(found["port"]), int(found["number"]), str(found["key"]))
        except (ValueError, TypeError, KeyError) as error:
            raise UsageError("a worker gets an invitation from its run, as one line of JSON") from error


class WorkerProcess(Protocol):
    """A worker that was started."""

    async def wait(self) -> str:
        """Wait until it has ended; return how it ended, such as `killed by SIGKILL`, for errors and the log."""

    def kill(self) -> None:
        """Kill it if it is still running."""


class Launcher(Protocol):
    """Starts workers. At most `workers` of a run exist at a time; they reach the run, on this machine, at `host`."""

    workers: int
    host: str

    async def start(self, invitation: Invitation) -> WorkerProcess:
        """Start a process that calls `run_worker(invitation)`. Raises RunError if it cannot be started."""


@dataclass(frozen=True, slots=True)
class ExecutorOptions:
    """The options of an executor: `workers` is None if the executor decides; `options` are its own."""

    workers: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)
