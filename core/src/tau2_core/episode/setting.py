"""A setting: a domain as one run plays it, with its own data or a dataset's, in one variant and one mode."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tau2_core.episode.task_selection import Selection, needs_customer, select_tasks
from tau2_core.errors import TaskError, UsageError
from tau2_core.foreign_code import describe_error, foreign
from tau2_core.model.datasets import Dataset
from tau2_core.model.episodes import ArgumentMode
from tau2_core.model.knowledge import AwaitedRetriever, Document, KnowledgeBase
from tau2_core.model.llm import ModelRole, ModelSettings
from tau2_core.model.participants import SOLO_REQUEST
from tau2_core.model.tasks import Task
from tau2_core.model.tools import Role, Tool
from tau2_core.name_suggestions import did_you_mean
from tau2_core.packs.hidden_tools import called_by_name
from tau2_core.packs.pack import Pack
from tau2_core.packs.retrieval import AwaitedSearching, bind_search
from tau2_core.state.world import Base, World

OPENING = "Hello! What can I do for you today?"


@dataclass(eq=False)
class Setting:
    """What all episodes of a run share. Raises UsageError if pack, dataset, variant and solo do not fit together.

    `mode`: in `strict`, arguments that violate the schema are an error that the model can read, and a failed call has
    no effect. `tau2` accepts the same arguments as the official environment, and keeps the effects of a failed call.
    """

    pack: Pack
    dataset: Dataset | None = None
    variant: str = ""
    variant_options: Mapping[str, Any] = field(default_factory=dict)
    solo: bool = False
    mode: ArgumentMode = "strict"
    _known: dict[Role, Mapping[str, Tool]] = field(default_factory=dict, init=False, repr=False)
    _tools: dict[Role, Mapping[str, Tool]] = field(default_factory=dict, init=False, repr=False)
    _hidden: dict[Role, Mapping[str, Tool]] = field(default_factory=dict, init=False, repr=False)
    _policies: dict[tuple[str, ...], str] = field(default_factory=dict, init=False, repr=False)
    _bases: dict[Role, Base] | None = field(default=None, init=False, repr=False)
    _tasks: Mapping[str, Task] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.pack.wrapped is not None and self.dataset is not None:
            what = f"{self.pack.name} wraps {self.pack.wrapped.target}, which brings its own data"
            raise UsageError(f"{what}: leave the dataset out")
        self.variant = self.variant or self.pack.manifest.default_variant
        if self.variant and self.variant not in self.pack.manifest.variants:
            hint = did_you_mean(self.variant, self.pack.manifest.variants)
            raise UsageError(f"{self.pack.name} has no variant {self.variant!r} ({hint})")
        if self.solo and not self.pack.supports_solo:
            raise UsageError(f"{self.pack.name} cannot be played solo: its manifest names no `solo` prompt")
        self._check_options()
        for role in self.pack.tools:
            self._read_tools(role)
        if self.solo and (shared := self._tools["agent"].keys() & self._tools["user"].keys()):
            raise UsageError(f"{self.pack.name} cannot be played solo: both sides have {', '.join(sorted(shared))}")

    def _check_options(self) -> None:
        """Refuse options that the variant does not have. Raises UsageError."""
        known = self.pack.manifest.variants[self.variant].options if self.variant else {}
        place = self.pack.variant_sources.get(self.variant, self.pack.manifest_source)
        for name, value in self.variant_options.items():
            of = f"{place}: variant {self.variant!r} of {self.pack.name}"
            if not self.variant:
                variants = ", ".join(self.pack.manifest.variants) or "none"
                what = f"{place}: {self.pack.name} is played without a variant, so it has no option {name!r}"
                raise UsageError(f"{what}; choose a variant (available: {variants})")
            if name not in known:
                mend = "give one of these, or declare it under `options` of the variant"
                hint = f"{did_you_mean(name, known)}); its options are {', '.join(known) or 'none'}; {mend}"
                raise UsageError(f"{of} has no option {name!r} ({hint}")
            if type(value) is not type(known[name]):
                wanted = type(known[name]).__name__
                what = f"option {name} of variant {self.variant!r} of {self.pack.name} should be of type {wanted}"
                raise UsageError(f"{place}: {what}, as {known[name]!r}, not {value!r}; give a value of that type")

    def _read_tools(self, role: Role) -> None:
        tools = self.pack.tools_in(self.variant, role)
        texts = (self.dataset.tool_texts if self.dataset else {}).get(role, {})
        known: dict[str, Tool] = {}
        for name, tool in tools.items():
            text = texts[name].applied_to(tool) if name in texts else tool
            known[name] = text if tool.search is None else self._with_retriever(text)
        hidden = self._hidden[role] = {name: tool for name, tool in known.items() if tool.hidden}
        self._tools[role] = {name: tool for name, tool in known.items() if name not in hidden} if hidden else known
        if hidden and self.lists_unlocked:
            caller = next((tool for tool in known.values() if tool.calls_hidden), None)
            known |= {name: called_by_name(tool, caller) for name, tool in hidden.items()}
        self._known[role] = known

    def _with_retriever(self, tool: Tool) -> Tool:
        return bind_search(tool, self.pack.parts, self.knowledge, self.options)

    @property
    def domain(self) -> str:
        return self.pack.name

    @property
    def options(self) -> dict[str, Any]:
        """The options of the variant, with those that were given."""
        own = self.pack.manifest.variants[self.variant].options if self.variant else {}
        return {**own, **self.variant_options}

    @cached_property
    def lists_unlocked(self) -> bool:
        """Whether the variant lists a hidden tool once it is unlocked, so that it can be called by its own name."""
        return bool(self.variant) and self.pack.manifest.variants[self.variant].lists_unlocked

    @cached_property
    def hides_tools(self) -> bool:
        """Whether a side has hidden tools."""
        return any(self._hidden.values())

    @property
    def knowledge(self) -> KnowledgeBase:
        """The documents of the dataset or the pack. Raises PackError if they cannot be read."""
        files = self.dataset.documents if self.dataset else ()
        return self.pack.knowledge(tuple(files) or None)

    def tools(self, role: Role) -> Mapping[str, Tool]:
        """Return a side's tools by name, in listing order, without the hidden ones."""
        return self._tools[role]

    def listed_tools(self, role: Role, unlocked: Iterable[str]) -> Mapping[str, Tool]:
        """Return the tools that a side is told of once some are unlocked; some variants include the unlocked ones."""
        tools = self._tools[role]
        if not self.lists_unlocked:
            return tools
        known = self._known[role]
        return {**tools, **{name: known[name] for name in unlocked if name in known}}

    def hidden_tools(self, role: Role) -> Mapping[str, Tool]:
        """Return a side's hidden tools by name."""
        return self._hidden[role]

    def known_tools(self, role: Role) -> Mapping[str, Tool]:
        """Return all tools of a side by name, hidden ones too."""
        return self._known[role]

    def task_options(self, task: Task | None) -> Mapping[str, Any]:
        """Return the options that the pack derives from a task for its handlers. Raises TaskError."""
        if self.pack.episode is None or task is None:
            return {}
        try:
            with foreign():
                return dict(self.pack.episode(task))
        except Exception as error:
            raise TaskError(f"the options of task {task.id!r} cannot be derived: {describe_error(error)}") from error

    @cached_property
    def solo_tools(self) -> Mapping[str, Tool]:
        """The tools of both sides, which the agent has in solo play."""
        return {**self._tools["agent"], **self._tools["user"]}

    @cached_property
    def listed(self) -> Mapping[Role, tuple[Tool, ...]]:
        """Each side's tools in listing order, without the hidden ones."""
        return {role: tuple(tools.values()) for role, tools in self._tools.items()}

    @cached_property
    def quick(self) -> bool:
        """Whether all tools are declared quick, so that a server may call them on its event loop."""
        return all(tool.quick for tools in self._known.values() for tool in tools.values())

    @cached_property
    def awaited(self) -> tuple[AwaitedRetriever, ...]:
        """The retrievers of its tools that wait for a model or another program."""
        handlers = [tool.handler for tools in self._known.values() for tool in tools.values()]
        return tuple(handler.retriever for handler in handlers if isinstance(handler, AwaitedSearching))

    @cached_property
    def search_models(self) -> dict[ModelRole, ModelSettings]:
        """The models that its tools use, by role. Raises UsageError if two tools have different ones."""
        found: dict[ModelRole, ModelSettings] = {}
        for retriever in self.awaited:
            for role, model in retriever.models.items():
                if found.setdefault(role, model) != model:
                    both = f"{found[role].model} and {model.model}"
                    raise UsageError(
                        f"{self.domain}: its tools have different {role} models: {both}; choose one of them"
                    )
        return found

    def bases(self) -> dict[Role, Base]:
        """Return the shared databases by side. Raises PackError if one cannot be read."""
        if self._bases is None:
            files = self.dataset.databases if self.dataset else {}
            own = self.pack.database_roles
            self._bases = {
                role: self.pack.base(role, files.get(role if role in own else "agent")) for role in self.pack.models
            }
        return self._bases

    def new_worlds(self) -> dict[Role, World]:
        """Return the worlds of a new episode, by side. Raises PackError if a database cannot be read."""
        if self.pack.wrapped is not None:
            return self.pack.wrapped.new_worlds()
        own, bases = self.pack.database_roles, self.bases()
        worlds = {role: World(bases[role]) for role in own}
        if "user" in bases and "user" not in own:
            worlds["user"] = worlds["agent"]
        return worlds

    @cached_property
    def policy_text(self) -> str:
        """The policy that the agent reads, without what depends on a task. Raises PackError, DatasetError."""
        return self._policy(())

    def policy_for(self, task: Task) -> str:
        """Return the policy that the agent reads in a task: it may contain documents that the task requires."""
        if not task.required_documents:
            return self.policy_text
        named = tuple(task.required_documents)
        if named not in self._policies:  # rendering takes longer than an episode without models
            known = self.knowledge.by_name
            text = self._policy([known[name] for name in named if name in known])
            self._policies[named] = self.policy_text if text == self.policy_text else text
        return self._policies[named]

    def _policy(self, required: Sequence[Document]) -> str:
        if self.dataset:
            text = self.dataset.policies.get((self.variant, self.solo))
            if text is not None:
                return text
            if self.variant in self.dataset.policy_parts and not self.solo:
                return self.dataset.policy_parts[self.variant](self.knowledge, required)
        name = "solo" if self.solo else "policy"
        return self.pack.prompt(name, variant=self.variant, solo=self.solo, options=self.options, required=required)

    @property
    def instruction(self) -> str | None:
        """The dataset's instruction to the agent besides the policy; None without a dataset."""
        if self.dataset is None:
            return None
        return self.dataset.solo_instruction if self.solo else self.dataset.agent_instruction

    @property
    def solo_request(self) -> str:
        """The first user message to an agent's model in solo play; "" for none."""
        asked = self.dataset.solo_request if self.dataset else None
        return SOLO_REQUEST if asked is None else asked

    def opening(self) -> str:
        """Return the agent's first line, to which the customer answers."""
        own = self.pack.manifest.variants[self.variant].opening if self.variant else None
        return (self.dataset.opening if self.dataset else None) or own or OPENING

    def tasks(self) -> Mapping[str, Task]:
        """Return all tasks by id, in file order. Raises PackError or DatasetError."""
        if self._tasks is None:
            if self.dataset:
                self._tasks = {task.id: task for task in self.dataset.load_tasks()}
            else:
                self._tasks = self.pack.task_set().tasks_in(self.variant)
        return self._tasks

    def splits(self) -> Mapping[str, Sequence[str]]:
        return self.dataset.splits if self.dataset else self.pack.task_set().splits

    def select(self, *, split: str | None = None, ids: Sequence[str] = (), limit: int | None = None) -> list[Task]:
        """Return tasks of a split (default: the dataset's or `base`; ids alone search all), in file order.

        Solo play leaves out tasks that need a customer. Raises UsageError for an unknown split or id.
        """
        return self.selection(split=split, ids=ids, limit=limit).tasks

    def selection(
        self,
        *,
        split: str | None = None,
        ids: Sequence[str] = (),
        limit: int | None = None,
        draw_seed: int | None = None,
    ) -> Selection:
        """Return the tasks that `select` returns, and how many were left out. No other tasks are built.

        With `draw_seed` the tasks within the limit are drawn at random with this seed; they keep their order.
        """
        return select_tasks(self, split=split, ids=ids, limit=limit, draw_seed=draw_seed)

    def needs_customer(self, task: Task) -> bool:
        """Tell whether solo play must leave a task out: it has no ticket, or its history contains a conversation."""
        return self.solo and needs_customer(task)

    def origins(self) -> dict[str, Any]:
        """Return the sources of data, prompts and texts, for run.json."""
        if self.dataset is None:
            return {"tasks": "pack", "databases": "pack", "policy": "pack", "tools": "pack", "opening": "core"}
        origins = dict(self.dataset.origins)
        solo_instruction = origins.pop("solo_instruction", "core")
        if self.solo:
            origins["agent_instruction"] = solo_instruction
        parts = self.variant in self.dataset.policy_parts and not self.solo
        if not parts and (self.variant, self.solo) not in self.dataset.policies:
            origins["policy"] = "pack"
        return origins
