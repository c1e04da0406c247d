"""A dataset: somebody else's data for a domain, played through our handlers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tau2_core.model.tasks import Task
from tau2_core.model.tools import Role


@dataclass(frozen=True, slots=True)
class ToolText:
    """What a dataset says of a tool: its description, and those of its parameters."""

    description: str
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Dataset:
    """What a dataset brings for one domain; whatever it lacks, the pack's own serves.

    `policies` maps (variant or "", solo) to a policy text. `origins` says for each part where it came from; it goes
    into the run's record. `load_tasks` is called once, when tasks are first needed.

    `solo_instruction` is the agent's in solo play. `solo_request` is what its model is asked first there, before it has
    said anything; "" for nothing but the system's message.
    """

    adapter: str
    domain: str
    root: Path
    databases: Mapping[Role, Path]
    load_tasks: Callable[[], Sequence[Task]]
    splits: Mapping[str, Sequence[str]]
    default_split: str | None
    policies: Mapping[tuple[str, bool], str] = field(default_factory=dict)
    tool_texts: Mapping[Role, Mapping[str, ToolText]] = field(default_factory=dict)
    agent_instruction: str | None = None
    solo_instruction: str | None = None
    solo_request: str | None = None
    opening: str | None = None
    user_guidelines: Mapping[bool, str] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[Path] = ()
