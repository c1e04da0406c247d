"""The manifest, `domain.yaml`: what a pack is made of."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tau2_core.model.tasks import OFFICIAL_REWARD_BASIS, RewardType


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DatabaseEntry(_Section):
    """`model`: `module:Class` within the package; `data`: a .json, .yaml or .toml file.

    `unchecked` holds path patterns, such as `flights.*.colour`: keys that no field takes, and ids that differ from
    their record's key, of which `check` is not to warn.
    """

    model: str
    data: str
    unchecked: list[str] = Field(default_factory=list)


class Databases(_Section):
    agent: DatabaseEntry
    user: DatabaseEntry | None = None


class ToolFiles(_Section):
    agent: str
    user: str | None = None


class Variant(_Section):
    prompts: dict[str, str]


class TaskFiles(_Section):
    """`files` (hand-written tasks) and `families`: patterns, of which one is enough."""

    files: str | None = None
    families: str | None = None
    splits: str

    @model_validator(mode="after")
    def _some(self) -> TaskFiles:
        if self.files is None and self.families is None:
            raise ValueError("name `files`, `families` or both")
        return self


class AllowedPass(_Section):
    """Why baselines may pass some tasks (`*`: any): an entry of the audit's allow-list."""

    tasks: list[str] = Field(min_length=1)
    baselines: list[str] = Field(min_length=1)
    because: str = Field(min_length=1)


class Evaluation(_Section):
    """How a pack's tasks are graded.

    `unordered` and `ignored` are path patterns for the set `strict`: lists whose order, and parts whose value, do not
    matter in a verdict. `audit` argues, by set of evaluators, for baselines that pass tasks. `evaluators` is what
    grades the pack's own tasks where a run does not say: a set's name, or a file such as `evaluation.yaml`.
    `policy_checks` is a file of rules, checked by the set `strict` and reported beside the reward.
    """

    reward_basis: list[RewardType] = Field(default_factory=lambda: list(OFFICIAL_REWARD_BASIS))
    evaluators: str | None = None
    policy_checks: str | None = None
    unordered: list[str] = Field(default_factory=list)
    ignored: list[str] = Field(default_factory=list)
    audit: dict[str, list[AllowedPass]] = Field(default_factory=dict)


class Manifest(_Section):
    """A domain as `domain.yaml` declares it; paths are relative to that file.

    `quick` promises that each handler, and the sync, takes a few milliseconds at most and waits for nothing: no file,
    no network, no sleep. A server then runs them on its event loop, which saves changing threads.
    """

    name: str
    description: str = ""
    clock: datetime
    quick: bool = False
    databases: Databases
    tools: ToolFiles
    functions: str | None = None
    sync: str | None = None
    ids: dict[str, list[str]] = Field(default_factory=dict)
    prompts: dict[str, str]
    variants: dict[str, Variant] = Field(default_factory=dict)
    tasks: TaskFiles
    evaluation: Evaluation = Field(default_factory=Evaluation)

    def prompt_file(self, name: str, variant: str) -> str | None:
        """Return the template of a prompt under a variant ("" for none)."""
        special = self.variants[variant].prompts if variant else {}
        return special.get(name, self.prompts.get(name))
