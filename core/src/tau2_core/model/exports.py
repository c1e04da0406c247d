"""The input of exporters: a domain's tasks and, for the export of a run, its episodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tau2_core.model.episodes import EpisodeRecord
from tau2_core.model.evaluation import Grade, Judgement
from tau2_core.model.tasks import Task
from tau2_core.model.tools import Tool


@dataclass(frozen=True, slots=True)
class ExportedEpisode:
    """One recorded episode: its grade and judgement, if it has them, and its duration in seconds (0 if unknown).

    `latency` has the seconds that messages took, by their number, without those below a millisecond.
    """

    record: EpisodeRecord
    grade: Grade | None
    judgement: Judgement | None
    seconds: float
    latency: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExportedRun:
    """A recorded run: name, folder, the content of its `run.json`, and episodes in the order of their records."""

    name: str
    folder: Path
    configuration: Mapping[str, Any]
    episodes: Sequence[ExportedEpisode]


@dataclass(frozen=True, slots=True)
class Export:
    """The input of an exporter: a domain's tasks by id, or a `run` with the tasks that it played.

    `tools` are the agent's. `user_model` is the model that plays the customer, None if none was given.
    `variant_options` are those that were given, without the variant's own values. `options` are the exporter's.
    """

    domain: str
    variant: str
    solo: bool
    policy: str
    tools: Sequence[Tool]
    tasks: Mapping[str, Task]
    user_model: str | None = None
    run: ExportedRun | None = None
    variant_options: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
