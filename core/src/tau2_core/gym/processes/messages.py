"""The messages between the front and its workers. Records, tasks and grades are sent as JSON."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from tau2_core.model.episodes import ArgumentMode
from tau2_core.model.latency import Latency
from tau2_core.runs.executors.messages import Admitted, Failed, Judged, Recorded, Refused, Released, Used, Wanted


class Where(Struct, frozen=True):
    """The setting of an episode, as the server names it, and its customer. `variant_options` are JSON."""

    domain: str
    dataset: str
    variant: str
    variant_options: str
    solo: bool
    mode: ArgumentMode | None
    user: str


class Open(Struct, tag=True, frozen=True):
    """Register an episode before its client knows of it. `content` is a digest of the content it is played with."""

    episode_id: str
    keys: list[str]
    where: Where | None  # None for a slot
    content: str


class Begin(Struct, tag=True, frozen=True):
    """Enter an episode into its run; the answer is `Entered`. `task` is JSON, empty for a free world or a slot."""

    episode_id: str
    where: Where | None  # None for a slot
    task: bytes
    seed: int
    trial: int | None  # a slot of the served run
    task_id: str


class Keep(Struct, tag=True, frozen=True):
    """Append the record of an entry, and the traced calls of its models."""

    entry: int
    episode_id: str
    record: bytes
    traced: list[bytes]
    lost: bool


class Graded(Struct, tag=True, frozen=True):
    """Append the grade of an entry; it is empty without a task."""

    entry: int
    grade: bytes
    seconds: float
    latency: Latency


class Claim(Struct, tag=True, frozen=True):
    """Take the next slot of the served run; the answer is `Claimed`."""


class Fail(Struct, tag=True, frozen=True):
    """Record a slot whose task cannot be set up."""

    task_id: str
    trial: int
    seed: int
    why: str


class Expire(Struct, tag=True, frozen=True):
    """Close the worker's episodes whose time is up."""


class GetStates(Struct, tag=True, frozen=True):
    """Return the states of the worker's episodes, as JSON."""


class GetFigures(Struct, tag=True, frozen=True):
    """Return the worker's figures."""


Request = Open | Begin | Keep | Graded | Claim | Fail | Expire | GetStates | GetFigures


class Entered(Struct, frozen=True):
    """The answer to `Begin`: `run` is the name of the run's folder, `exchanges` are the episode's cassette lines."""

    entry: int
    trial: int
    run: str
    exchanges: list[bytes]


class Claimed(Struct, frozen=True):
    """The answer to `Claim`."""

    task_id: str
    trial: int
    attempt: int


class Ask(Struct, tag=True, frozen=True):
    """A request; `number` is repeated in its answer."""

    number: int
    request: Request


class Answer(Struct, tag=True, frozen=True):
    """The answer to a request."""

    number: int
    content: Any


class Declined(Struct, tag=True, frozen=True):
    """A refused request. Without a status, it is the error of a run whose folder cannot be written."""

    number: int
    status: int
    code: str
    why: str
    retry_after: int | None
    expected: bool


class Known(Struct, frozen=True):
    """The content that the front has loaded for the episodes of a setting, as JSON."""

    where: Where | None  # None for the served run
    content: bytes


class Setup(Struct, tag=True, frozen=True):
    """The front's first message. `options` are pickled; `gone` maps the names of lost episodes to the reason.

    The worker must have loaded the `known` content too.
    """

    options: bytes
    position: int
    count: int
    port: int
    overview_token: str | None
    open_folder: str
    gone: dict[str, str]
    known: list[Known]


class Prepared(Struct, tag=True, frozen=True):
    """The worker has loaded everything and accepts connections."""


class Moved(Struct, tag=True, frozen=True):
    """A connection, whose socket is sent along, with the bytes received of its next request."""

    received: bytes


class Left(Struct, tag=True, frozen=True):
    """How many of the connections ever given to the worker it no longer has."""

    connections: int


class Closed(Struct, tag=True, frozen=True):
    """An episode is gone."""

    episode_id: str


class GaveBack(Struct, tag=True, frozen=True):
    """A slot whose episode could not be opened."""

    task_id: str
    trial: int


class Lost(Struct, tag=True, frozen=True):
    """A slot whose agent did not finish; it is handed out again."""

    task_id: str
    trial: int


class JudgedEntry(Struct, tag=True, frozen=True):
    """The judge's decision on an entry, sent before it is used."""

    entry: int
    judged: Judged


class RunOver(Struct, tag=True, frozen=True):
    """The time limit of the served run has been reached."""


class Stop(Struct, tag=True, frozen=True):
    """Finish calls in progress, keep all records and grades, and end. `hurry`: without waiting for calls and grades."""

    hurry: bool = False


Notice = (
    Setup
    | Prepared
    | Refused
    | Moved
    | Left
    | Closed
    | GaveBack
    | Lost
    | JudgedEntry
    | RunOver
    | Stop
    | Used
    | Failed
    | Recorded
    | Wanted
    | Released
    | Admitted
)
Message = Ask | Answer | Declined | Notice
