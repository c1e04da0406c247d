"""A dataset: data from elsewhere for a domain, used with our handlers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tau2_core.model.tasks import Task
from tau2_core.model.tools import Role


@dataclass(frozen=True, slots=True)
class ToolText:
    """A dataset's own description of a tool and of its parameters."""

    description: str
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Dataset:
    """What a dataset provides for one domain. For everything that it lacks, the pack's own is used.

    `policies` maps (variant or "", solo) to a policy text. `origins` names the source of each part, for run.json.
    `load_tasks` is called once, when tasks are first needed.

    `solo_instruction` is the agent's instruction in solo play. `solo_request` is the first user message to its model
    there; "" means that the model gets the system message only.
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
