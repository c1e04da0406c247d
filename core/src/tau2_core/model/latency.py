"""How long each message of an episode took."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from tau2_core.model.episodes import Slot

Speaker = Literal["agent", "user", "environment"]
SHORTEST = 0.001  # seconds; scripts and tools in this process take less, and are not worth a line


@dataclass(slots=True)
class Latency:
    """The seconds of each message, by speaker and the message's number; what took less than a millisecond is left out.

    For a side that is played from outside, these are the seconds from its turn's beginning to its message.
    """

    seconds: dict[Speaker, dict[int, float]] = field(default_factory=dict)

    def note(self, speaker: Speaker, message: int, seconds: float) -> None:
        """Note how long a message took, at least SHORTEST."""
        self.seconds.setdefault(speaker, {})[message] = round(seconds, 3)

    def by_message(self) -> dict[int, float]:
        """Return the seconds by the message's number."""
        return {number: seconds for taken in self.seconds.values() for number, seconds in taken.items()}


def timing_line(slot: Slot, play_seconds: float, seconds: float, latency: Latency) -> dict[str, Any]:
    """Return a line of `timings.jsonl`: how long an episode took, without and with grading, and each message."""
    line = {"task_id": slot.task_id, "trial": slot.trial, "play_seconds": play_seconds, "seconds": seconds}
    return {**line, "latency": latency.seconds}
