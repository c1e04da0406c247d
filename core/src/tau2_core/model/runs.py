"""What a run is told to do, and what it came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


@dataclass(frozen=True, slots=True)
class RunStart:
    """A run that is about to begin: `slots` is tasks times trials."""

    name: str
    folder: Path
    domain: str
    agent: str
    user: str
    tasks: Sequence[str]
    slots: int


class RunSummary(BaseModel):
    """The figures of a run. Rewards average over evaluable episodes; `coverage` is their share of the inventory."""

    model_config = ConfigDict(extra="forbid")

    name: str
    folder: str
    domain: str
    agent: str
    user: str
    evaluators: str
    dataset: str | None
    split: str | None
    slots: int
    finished: int
    evaluable: int
    coverage: float
    mean_reward: float | None
    pass_hat_k: dict[int, float] = Field(default_factory=dict)
    outcomes: dict[str, int] = Field(default_factory=dict)
    tool_calls: int = 0
    tool_errors: int = 0
    pending: int = 0
    duration_seconds: float = 0.0
    solved_tasks: list[str] = Field(default_factory=list)
    failed: dict[str, str] = Field(default_factory=dict)
