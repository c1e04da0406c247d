"""The start of a run, its inventory and its summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tau2_core.model.episodes import Usage

#: The largest number of episodes of a run. Beyond it the inventory alone takes minutes and gigabytes.
MAX_EPISODES = 10_000_000


@dataclass(frozen=True, slots=True)
class RunStart:
    """A run that is about to begin: `slots` is how many are played here: tasks times trials, or a shard of them."""

    name: str
    folder: Path
    domain: str
    agent: str
    user: str
    tasks: Sequence[str]
    slots: int


@dataclass(frozen=True)
class Inventory:
    """What a run's figures refer to: its names, and its fixed slots, whether played or not."""

    domain: str
    agent: str
    user: str
    evaluators: str
    dataset: str | None
    split: str | None
    tasks: Sequence[str]
    trials: int


class RunSummary(BaseModel):
    """The figures of a run. Rates are over the whole inventory; `coverage` is the share of it that has a reward.

    `usage` is by role; costs are in dollars, null if a price is unknown. `customer_faults` counts the episodes
    that were `reviewed`, those with a `minor` or a `decisive` fault of the customer, and the `caused_failures`.
    `judge` is what `tau2-gym report` says of the judge, {} if nothing was judged.
    """

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
    usage: dict[str, Usage] = Field(default_factory=dict)
    duration_seconds: float = 0.0
    solved_tasks: list[str] = Field(default_factory=list)
    failed: dict[str, str] = Field(default_factory=dict)
    customer_faults: dict[str, int] = Field(default_factory=dict)
    judge: dict[str, Any] = Field(default_factory=dict)
