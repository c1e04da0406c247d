"""The judges of a run: how several of them decide, and how judges are identified."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

#: How several judges decide. A tie counts as "no", and so does a single "no" among `unanimous` judges.
JudgeRule = Literal["majority", "unanimous"]


class JudgeModel(BaseModel):
    """The model of one judge, with the arguments that affect its answers."""

    model_config = ConfigDict(extra="forbid")

    model: str
    args: dict[str, Any] = Field(default_factory=dict)

    def __str__(self) -> str:
        return self.model + (f" {json.dumps(self.args, sort_keys=True)}" if self.args else "")


class JudgeIdentity(BaseModel):
    """What a judge's answers depend on: its models, their rule (None for one model), and a digest of the prompt."""

    model_config = ConfigDict(extra="forbid")

    models: list[JudgeModel] = Field(min_length=1)
    rule: JudgeRule | None = None
    prompt: str

    @property
    def name(self) -> str:
        """The model's name, or those of several models with their rule."""
        names = " + ".join(each.model for each in self.models)
        return names if self.rule is None else f"{names} ({self.rule})"

    @property
    def digest(self) -> str:
        """A digest that is equal for equal judges."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()

    def __str__(self) -> str:
        models = " + ".join(map(str, self.models))
        return f"{models}{f' ({self.rule})' if self.rule else ''}, prompt {self.prompt[:8]}"


def decided(votes: Sequence[bool | None], rule: JudgeRule) -> bool | None:
    """Return the decision of several judges on one statement; None if missing votes (None) could change it.

    By majority, a statement holds if more than half of all judges say so; unanimously, if all say so.
    """
    yes, no = votes.count(True), votes.count(False)
    needed = len(votes) // 2 + 1 if rule == "majority" else len(votes)
    if yes >= needed:
        return True
    return False if no > len(votes) - needed else None
