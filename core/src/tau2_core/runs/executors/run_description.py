"""The description of a run that is sent to its workers, so that each of them prepares the same run."""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tau2_core.errors import RunError, UsageError
from tau2_core.foreign_code import describe_error, foreign
from tau2_core.model.registrations import AgentSpec, UserSpec
from tau2_core.model.tasks import Task
from tau2_core.runs.executors.players import OpenEpisodes, PlayEpisode
from tau2_core.runs.options import Options
from tau2_core.runs.resume import deciding
from tau2_core.state.difference import path_text, value_changes

ADVICE = "define it in a module that workers can import, or play with --executor async"
MAKE_ADVICE = (
    "give its class or a function that makes it, so that each worker makes its own, or play with --executor async"
)
OTHERS = {
    "core": "its tau2-core has other code than the run's",
    "pack": "its pack has other files than the run's",
    "dataset": "its dataset has other files than the run's",
    "plugins": "its plugins have other code than the run's",
}
DIGEST = 64  # characters, of which the first 12 tell two digests apart


@dataclass(frozen=True, kw_only=True)
class RunInputs:
    """The description of a run: its options, and the objects of a program that options cannot express."""

    options: Options
    agent: AgentSpec | None = None
    user: UserSpec | None = None
    tasks: Sequence[Task] | None = None


@dataclass(frozen=True, kw_only=True)
class RunDescription:
    """The run's name and inputs, how episodes are played, and the expected configuration."""

    name: str
    inputs: RunInputs
    play_episode: PlayEpisode
    episodes: OpenEpisodes
    config: dict[str, Any]

    def packed(self) -> bytes:
        """Return it in a form that can be sent. Raises UsageError for an object that workers could not import."""
        given = {
            "the agent": self.inputs.agent,
            "the user": self.inputs.user,
            "a task": self.inputs.tasks,
        }
        for what, value in given.items():
            _pickled(value, what)
        return _pickled(self, "how an episode is played")

    def refuse_another(self, config: dict[str, Any]) -> None:
        """Refuse a worker whose content differs from the run's. Raises RunError."""
        difference = next(value_changes(deciding(self.config), deciding(config)), None)
        if difference is not None:
            section, part, *_ = (*difference.path, "")
            digested = str(part) if section == "digests" else ""
            what = OTHERS.get(digested, "it differs from the run")
            path = path_text(difference.path)
            raise RunError(
                f"{what}: {path} is {_short(difference.new)} there and "
                f"{_short(difference.old)} here; install the same versions on both"
            )


def _short(value: object) -> str:
    """Return a value for a message; of a digest only the beginning."""
    return f"{value[:12]}…" if isinstance(value, str) and len(value) == DIGEST else repr(value)


def packed_computation(computation: object) -> bytes:
    """Return a computation in a form that can be sent. Raises UsageError for objects that workers could not import."""
    return _pickled(computation, "the computation")


def unpacked(packed: bytes) -> Any:
    """Unpack data that the run has packed. Raises RunError if something in it cannot be imported here."""
    try:
        with foreign():
            description = pickle.loads(packed)  # noqa: S301 - the run has proved itself (`connection`)
    except Exception as error:
        raise RunError(f"the code that the run sends cannot be imported here: {describe_error(error)}") from error
    return description


def _pickled(value: object, what: str) -> bytes:
    packed = io.BytesIO()
    _Pickler(packed, what).dump(value)
    return packed.getvalue()


class _Pickler(pickle.Pickler):
    """Refuses objects that only the main program can import, instead of letting a worker fail."""

    def __init__(self, file: io.BytesIO, what: str) -> None:
        super().__init__(file)
        self._what = what

    def reducer_override(self, value: Any) -> Any:
        if getattr(value, "__module__", None) == "__main__" and hasattr(value, "__qualname__"):
            where = f"{value.__qualname__} is defined in the program that was started, which workers cannot import"
            raise UsageError(f"{self._what} cannot be sent to workers: {where}; {ADVICE}")
        return NotImplemented

    def dump(self, value: Any) -> None:
        try:
            with foreign():
                super().dump(value)
        except UsageError:
            raise
        except Exception as error:
            advice = MAKE_ADVICE if isinstance(error, TypeError) else ADVICE  # something in it, such as a lock
            raise UsageError(f"{self._what} cannot be sent to workers: {describe_error(error)}; {advice}") from error
