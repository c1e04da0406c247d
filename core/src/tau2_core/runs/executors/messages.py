"""What a run and its workers tell each other. Records and grades travel as the lines of the files that they go to."""

from __future__ import annotations

from msgspec import Struct

from tau2_core.model.episodes import Usage
from tau2_core.model.latency import Latency
from tau2_core.model.llm import ModelFailure, ModelRole


class Setup(Struct, tag=True, frozen=True):
    """The first message of a run: what the worker prepares. It is pickled, so a worker takes it from its run only."""

    recipe: bytes


class PlaySlot(Struct, tag=True, frozen=True):
    """Play a slot and grade it. `exchanges` are the cassette's lines of this slot; `number` tells requests apart."""

    number: int
    task_id: str
    trial: int
    seed: int
    exchanges: list[bytes]


class Regrade(Struct, tag=True, frozen=True):
    """Grade a record that is already kept, with its judgement (as JSON) if there is one."""

    number: int
    record: bytes
    judgement: bytes | None
    exchanges: list[bytes]


class Compute(Struct, tag=True, frozen=True):
    """Apply the computation to each of the things given."""

    number: int
    given: list[bytes]


class Admitted(Struct, tag=True, frozen=True):
    """A request to a model may be made now."""

    number: int


FromRun = Setup | PlaySlot | Regrade | Compute | Admitted


class Ready(Struct, tag=True, frozen=True):
    """The worker has loaded everything, and its content is the run's."""


class Refused(Struct, tag=True, frozen=True):
    """The worker cannot play the run: why."""

    why: str


class Traced(Struct, tag=True, frozen=True):
    """A line of `tokens.jsonl`."""

    line: bytes


class Recorded(Struct, tag=True, frozen=True):
    """A line of the cassette."""

    line: str


class Used(Struct, tag=True, frozen=True):
    """What a request used that a model has answered."""

    role: ModelRole
    usage: Usage


class Failed(Struct, tag=True, frozen=True):
    """A request to a model that has finally failed."""

    role: ModelRole
    kind: ModelFailure
    why: str
    retry_after: float | None


class Wanted(Struct, tag=True, frozen=True):
    """A request to a model with limits waits for its turn."""

    number: int
    role: ModelRole


class Released(Struct, tag=True, frozen=True):
    """A request that had its turn, or was waiting for it, is over."""

    number: int


class PlayedSlot(Struct, tag=True, frozen=True):
    """A played slot: the line of `episodes.jsonl`, before grading begins."""

    number: int
    line: bytes
    seconds: float
    latency: Latency


class Judged(Struct, tag=True, frozen=True):
    """The judge's decision on a slot, as JSON, before it is used."""

    task_id: str
    trial: int
    judgement: bytes


class GradedSlot(Struct, tag=True, frozen=True):
    """A graded slot: the line of `grades.jsonl`."""

    number: int
    line: bytes
    seconds: float


class Computed(Struct, tag=True, frozen=True):
    """The results of the computation, one for each thing."""

    number: int
    results: list[bytes]


class Broken(Struct, tag=True, frozen=True):
    """An error that ends the run, from outside any episode."""

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
