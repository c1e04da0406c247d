"""The manifest, `domain.yaml`: the parts of a pack."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from tau2_core.model.tasks import OFFICIAL_REWARD_BASIS, RewardType
from tau2_core.model.tools import Role


def _written(value: Any) -> Any:
    """Refuse a number, which pydantic would read as seconds since 1970."""
    if isinstance(value, int | float):
        raise ValueError("should be a date and a time, such as 2025-03-01T09:00:00")
    return value


Clock = Annotated[datetime, BeforeValidator(_written, json_schema_input_type=str)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DatabaseEntry(_Section):
    """`model`: `module:Class` within the package; `data`: a .json, .yaml or .toml file.

    `unchecked` holds path patterns such as `flights.*.colour`: keys without a field, and ids that differ from their
    record's key, about which `check` must not warn.
    """

    model: str = Field(description="`module:Class` within the package: a subclass of tau2_core.Database.")
    data: str = Field(description="The database: a .json, .yaml or .toml file.")
    unchecked: list[str] = Field(
        default_factory=list,
        description="Path patterns, such as `flights.*.colour`, about which `check` must not warn.",
    )


class Databases(_Section):
    agent: DatabaseEntry = Field(description="The database of the agent's tools.")
    user: DatabaseEntry | Literal["agent"] | None = Field(
        default=None, description="The database of the customer's own tools, or `agent`: both sides see the agent's."
    )

    def entry(self, role: Role) -> DatabaseEntry | None:
        """Return the database that a side sees, None if it has none."""
        return self.agent if role == "agent" or self.user == "agent" else self.user


class ToolFiles(_Section):
    agent: str | list[str] = Field(description="The file of the agent's tools, or several, in listing order.")
    user: str | list[str] | None = Field(default=None, description="The file or files of the customer's own tools.")

    def of(self, role: Role) -> list[str]:
        """Return the files of a side's tools."""
        named = self.agent if role == "agent" else self.user
        return [named] if isinstance(named, str) else list(named or ())


class Knowledge(_Section):
    """The documents that the agent may search or read."""

    documents: str = Field(description="A pattern for files of documents: .json, .yaml, or .md with front matter.")


class Variant(_Section):
    tools: str | list[str] | None = Field(
        default=None,
        description="A file of tools that the agent has in this variant only, listed before all others, or several.",
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="Options of the variant with their values, which a run may replace."
    )
    lists_unlocked: bool = Field(
        default=False,
        description="Whether a hidden tool is listed once it is unlocked, and can then be called by its own name.",
    )
    prompts: dict[str, str] = Field(
        default_factory=dict, description="Templates that replace those under `prompts`, by name."
    )
    tool_texts: str | None = Field(
        default=None, description="A file of descriptions of tools and parameters, such as those of another language."
    )
    task_texts: str | None = Field(
        default=None, description="A file of texts of tasks, families and personas, such as those of another language."
    )
    opening: str | None = Field(
        default=None,
        min_length=1,
        description="The agent's first line; default: `Hello! What can I do for you today?`",
    )

    def tool_files(self) -> list[str]:
        """Return the files of the variant's own tools."""
        return [self.tools] if isinstance(self.tools, str) else list(self.tools or ())


class TaskFiles(_Section):
    """Patterns for `files` (hand-written tasks) and `families`; one of them is enough."""

    files: str | None = Field(default=None, description="A pattern for files of hand-written tasks.")
    families: str | None = Field(default=None, description="A pattern for files of task families.")
    splits: str = Field(description="The file of the splits.")

    @model_validator(mode="after")
    def _some(self) -> TaskFiles:
        if self.files is None and self.families is None:
            raise ValueError("name `files`, `families` or both")
        return self


class AllowedPass(_Section):
    """An entry of the audit's allow-list: baselines that may pass some tasks (`*`: any), and why."""

    tasks: list[str] = Field(min_length=1, description="Ids of tasks, or `*` for any.")
    baselines: list[str] = Field(min_length=1, description="Names of baselines that may pass them.")
    because: str = Field(min_length=1, description="Why.")


class Evaluation(_Section):
    """How a pack's tasks are graded.

    `bookkeeping` are path patterns of the parts that a refused task may change, by default none.
    `unordered` and `ignored` are path patterns for the set `strict`: lists whose order, and parts whose value, do not
    matter for a verdict. `audit` lists, by evaluator set, the baselines that may pass tasks. `evaluators` grades the
    pack's own tasks by default: the name of a set, or a file such as `evaluation.yaml`. `policy_checks` is a file of
    rules, which the set `strict` checks and reports without counting them for the reward.
    """

    reward_basis: list[RewardType] = Field(
        default_factory=lambda: list(OFFICIAL_REWARD_BASIS),
        description="The criteria of the reward, unless a task names others.",
    )
    evaluators: str | None = Field(
        default=None, description="The default evaluators for the pack's own tasks: a set's name, or a file."
    )
    policy_checks: str | None = Field(
        default=None, description="A file of policy rules that records are checked against."
    )
    unordered: list[str] = Field(
        default_factory=list, description="Path patterns of lists whose order does not matter to the set `strict`."
    )
    ignored: list[str] = Field(
        default_factory=list, description="Path patterns of values that the set `strict` does not compare."
    )
    bookkeeping: list[str] = Field(
        default_factory=list,
        description="Path patterns of records that note what the agent did, such as `checks.*`; the gold of a refused "
        "task may change them.",
    )
    audit: dict[str, list[AllowedPass]] = Field(
        default_factory=dict, description="Why baselines may pass some tasks, by set of evaluators."
    )


class Manifest(_Section):
    """A domain as `domain.yaml` declares it; paths are relative to that file.

    `quick` promises that every handler, and the sync, takes at most a few milliseconds and never blocks: no files, no
    network, no sleep. A server then runs them on its event loop, without switching threads.
    """

    name: str = Field(description="The domain's name, equal to that of its entry point.")
    description: str = Field(default="", description="One line, shown by `tau2-gym domains`.")
    clock: Clock = Field(description='The world\'s "now", such as 2025-03-01T09:00:00.')
    quick: bool = Field(
        default=False, description="Promise that no handler takes more than a few milliseconds or waits for anything."
    )
    databases: Databases | None = Field(default=None, description="The databases of both sides.")
    wraps: str | None = Field(
        default=None,
        description="In place of `databases`: `module:factory` of a domain written in Python for tau2-bench. Handlers "
        "reach its environment with `wrapped_environment(db)`.",
    )
    tools: ToolFiles = Field(description="The files of tools of both sides.")
    functions: str | None = Field(
        default=None, description="A file of set-up calls and assertions that tasks may name."
    )
    sync: str | None = Field(
        default=None,
        description="`module:function` that runs after every call and carries effects from one database to the other.",
    )
    ids: dict[str, list[str]] = Field(
        default_factory=dict, description="Pools of identifiers that handlers may hand out, in this order."
    )
    prompts: dict[str, str] = Field(description="Templates by name: `policy`, and `solo` for play without a customer.")
    customers: str | None = Field(
        default=None, description="A file of further prompts and personas of the simulated customer."
    )
    variants: dict[str, Variant] = Field(
        default_factory=dict, description="Other texts, tools or options for the same domain, by name."
    )
    default_variant: str = Field(default="", description="The variant that is played if none is chosen.")
    knowledge: Knowledge | None = Field(default=None, description="The documents that the agent may search or read.")
    episode: str | None = Field(
        default=None,
        description="`module:function` that returns options for handlers from the task; neither side sees them.",
    )
    tasks: TaskFiles = Field(description="The files of the tasks and splits.")
    evaluation: Evaluation = Field(default_factory=Evaluation, description="How the tasks are graded.")

    @model_validator(mode="after")
    def _databases_from_one_place(self) -> Manifest:
        if (self.databases is None) == (self.wraps is None):
            raise ValueError("name either `databases` or what the pack `wraps`")
        return self

    def database(self, role: Role) -> DatabaseEntry | None:
        """Return the database that a side sees, None if it has none or the pack wraps a domain."""
        return self.databases.entry(role) if self.databases else None

    def prompt_file(self, name: str, variant: str) -> str | None:
        """Return the template of a prompt under a variant ("" for none)."""
        special = self.variants[variant].prompts if variant else {}
        return special.get(name, self.prompts.get(name))
