"""The parts of the lines in a run's files that the index is built from.

Other parts, such as texts, are not decoded here; the page of an episode validates the whole line. Each function raises
ValueError or RecursionError if a line is not JSON, or one of these parts has the wrong form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, TypeVar

import msgspec
from tau2_core.model.episodes import ArgumentMode, Termination
from tau2_core.model.latency import Speaker
from tau2_core.records.decoding import own_decoder
from tau2_core.records.figures import EpisodeEnd, ExplainedGrade, JudgementFigures, PlaceFigures, ReviewFigures

Part = TypeVar("Part", bound=msgspec.Struct)
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e300)]  # finite


class CallPart(msgspec.Struct, gc=False):
    """A tool call."""

    name: str


class MessagePart(msgspec.Struct):
    """A message of either side, its calls, or the result of a call."""

    role: Literal["system", "assistant", "user", "tool"]
    tool_calls: list[CallPart] | None = None
    error: bool = False


class EpisodePart(EpisodeEnd, kw_only=True):
    """The parts of an episode's record that the index is built from."""

    domain: str
    seed: int
    termination: Termination
    mode: ArgumentMode
    persona: str | None = None
    steps: int = 0
    messages: list[MessagePart] = msgspec.field(default_factory=list)


class GradePart(ExplainedGrade):
    """The parts of a grade that the index is built from."""

    user_review: ReviewFigures | None = None


class Timing(PlaceFigures):
    """A line of `timings.jsonl`, as far as pages show it: how long an episode took, and its messages by speaker."""

    seconds: _Seconds
    latency: dict[Speaker, dict[int, _Seconds]] = msgspec.field(default_factory=dict)


def _read(part: type[Part]) -> Callable[[bytes], Part]:
    decoded = own_decoder(part)

    def read(content: bytes) -> Part:
        if not content.isascii():
            content.decode("utf-8")  # the decoder does not check the texts that it skips
        return decoded(content)

    return read


read_episode_part = _read(EpisodePart)
read_judgement = _read(JudgementFigures)
read_timing = _read(Timing)
read_grade = _read(GradePart)
