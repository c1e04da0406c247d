"""The messages between a run and its workers. Records and grades are sent as lines of their files.

A `model` is the key of a role's model.
"""

from __future__ import annotations

from msgspec import Struct

from tau2_core.model.episodes import Usage
from tau2_core.model.latency import Latency
from tau2_core.model.llm import ModelFailure


class Setup(Struct, tag=True, frozen=True):
    """A run's first message: its description. It is pickled, so a worker accepts it only from its run."""

    description: bytes


class PlaySlot(Struct, tag=True, frozen=True):
    """Play a slot and grade it. `exchanges` are the cassette's lines for the slot; `number` identifies the request.

    `again` says that a worker has ended while it played or graded this slot.
    """

    number: int
    task_id: str
    trial: int
    seed: int
    again: bool
    exchanges: list[bytes]


class Regrade(Struct, tag=True, frozen=True):
    """Grade a record that is already kept, with its judgement (as JSON) if there is one."""

    number: int
    record: bytes
    judgement: bytes | None
    exchanges: list[bytes]


class Compute(Struct, tag=True, frozen=True):
    """Apply the computation to each of these items."""

    number: int
    given: list[bytes]


class Admitted(Struct, tag=True, frozen=True):
    """A request to a model may now be sent."""

    number: int


FromRun = Setup | PlaySlot | Regrade | Compute | Admitted


class Ready(Struct, tag=True, frozen=True):
    """The worker has loaded everything, and its content matches the run's."""


class Refused(Struct, tag=True, frozen=True):
    """The worker cannot play the run, and why."""

    why: str


class Traced(Struct, tag=True, frozen=True):
    """A line of `tokens.jsonl`."""

    line: bytes


class Recorded(Struct, tag=True, frozen=True):
    """A line of the cassette."""

    line: str


class Used(Struct, tag=True, frozen=True):
    """The usage of a request that a model has answered."""

    model: str
    usage: Usage


class Failed(Struct, tag=True, frozen=True):
    """A request to a model that finally failed."""

    model: str
    kind: ModelFailure
    why: str
    retry_after: float | None


class Wanted(Struct, tag=True, frozen=True):
    """A request to a model with limits waits for its turn."""

    number: int
    model: str


class Released(Struct, tag=True, frozen=True):
    """The turn of a request, or its wait for one, has ended."""

    number: int


class PlayedSlot(Struct, tag=True, frozen=True):
    """A played slot: the line of `episodes.jsonl`, before grading begins."""

    number: int
    line: bytes
    seconds: float
    latency: Latency


class Judged(Struct, tag=True, frozen=True):
    """The judge's decision on a slot, as JSON, sent before it is used."""

    task_id: str
    trial: int
    judgement: bytes


class GradedSlot(Struct, tag=True, frozen=True):
    """A graded slot: the line of `grades.jsonl`."""

    number: int
    line: bytes
    seconds: float


class Computed(Struct, tag=True, frozen=True):
    """The results of the computation, one per item."""

    number: int
    results: list[bytes]


class Broken(Struct, tag=True, frozen=True):
    """An error outside any episode, which ends the run."""

    why: str


FromWorker = (
    Ready
    | Refused
    | Traced
    | Recorded
    | Used
    | Failed
    | Wanted
    | Released
    | PlayedSlot
    | Judged
    | GradedSlot
    | Computed
    | Broken
)
