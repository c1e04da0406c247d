"""The rows of the list of runs, and their sort orders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tau2_gym_workbench.figures import RunFigures
from tau2_gym_workbench.folder import WHOLE, FoundRun

SORTS: Mapping[str, Callable[[RunRow], Any]] = {
    "newest": lambda row: -row.found.begun,
    "name": lambda row: row.name,
    "mean reward": lambda row: -(row.figures.mean_reward if row.figures else -1),
    "cost": lambda row: -((row.figures.cost or 0) if row.figures else -1),
    "episodes": lambda row: -(row.figures.slots if row.figures else -1),
}


@dataclass(frozen=True)
class RunRow:
    """A row in the list of runs; `damaged` says why a run cannot be read."""

    found: FoundRun
    figures: RunFigures | None
    config: Mapping[str, Any]
    evaluators: str = ""
    damaged: str = ""

    @property
    def key(self) -> str:
        return self.found.key

    @property
    def name(self) -> str:
        return self.found.key.replace("~", "/") if self.found.key != WHOLE else self.found.folder.resolve().name

    @property
    def domain(self) -> str:
        return str(self.config.get("domain", ""))

    @property
    def agent(self) -> str:
        return who(self.config, "agent")

    @property
    def user(self) -> str:
        return who(self.config, "user")

    @property
    def judge(self) -> str:
        return who(self.config, "judge")

    def says(self, text: str) -> bool:
        """Return whether the run's name, domain or participants contain a text."""
        words = (self.name, self.domain, self.agent, self.user, self.judge, self.evaluators)
        return any(text in word.casefold() for word in words)


def who(config: Mapping[str, Any], role: str) -> str:
    """Return who plays a role: the model, or else the registered name."""
    model = config.get("models", {}).get(role)
    return str(model["model"]) if model else str(config.get(role, {}).get("name", ""))
