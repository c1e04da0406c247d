"""How long each message of an episode took."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from tau2_core.model.episodes import Slot

Speaker = Literal["agent", "user", "environment"]
SHORTEST = 0.001  # seconds; scripts and in-process tools take less, and are not worth recording


@dataclass(slots=True)
class Latency:
    """The seconds of each message, by speaker and by the message's number, without those below a millisecond.

    For a side that is played from outside, they count from the beginning of its turn to its message.
    """

    seconds: dict[Speaker, dict[int, float]] = field(default_factory=dict)

    def note(self, speaker: Speaker, message: int, seconds: float) -> None:
        """Note how long a message took, at least SHORTEST."""
        self.seconds.setdefault(speaker, {})[message] = round(seconds, 3)

    def by_message(self) -> dict[int, float]:
        """Return the seconds by the message's number."""
        return {number: seconds for taken in self.seconds.values() for number, seconds in taken.items()}


def timing_line(slot: Slot, play_seconds: float, seconds: float, latency: Latency) -> dict[str, Any]:
    """Return a line of `timings.jsonl`: the episode's duration, without and with grading, and that of each message."""
    line = {"task_id": slot.task_id, "trial": slot.trial, "play_seconds": play_seconds, "seconds": seconds}
    return {**line, "latency": latency.seconds}
