"""The participants of an episode, and the context that each gets before its first message."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NoReturn, TypeVar

from tau2_core.episode.customer_settings import CustomerSettings, exact_words, refuse_without_effect
from tau2_core.episode.environment import Environment
from tau2_core.episode.limits import Limits
from tau2_core.episode.setting import Setting
from tau2_core.episode.setup import new_environment
from tau2_core.episode.tool_backend import ToolBackend
from tau2_core.episode.tool_lists import agent_tools, current, user_tools
from tau2_core.errors import PluginError, UsageError
from tau2_core.llm.model import EpisodeModel, RoleModel
from tau2_core.llm.panel import Panel
from tau2_core.model.customers import Persona
from tau2_core.model.episodes import Slot
from tau2_core.model.judges import JudgeRule
from tau2_core.model.lazy import loaded
from tau2_core.model.llm import JUDGES, Model, ModelRole
from tau2_core.model.participants import REPLY_SECONDS, Agent, AgentContext, NoteTurn, User, UserContext
from tau2_core.model.registrations import AgentSpec, UserSpec
from tau2_core.model.tasks import Task
from tau2_core.observing import Observers, Watch
from tau2_core.plugins.hook_functions import Wrapper
from tau2_core.runtime.background_tasks import packages_of
from tau2_core.user_review.drafts import DraftCheck

Backend = TypeVar("Backend", bound=ToolBackend)


def _never_created(_context: Any) -> NoReturn:
    raise AssertionError("a side that is played from outside has no participant")


EXTERNAL_AGENT = AgentSpec(
    "external", "an agent that is played from outside, step by step", _never_created, external=True
)
EXTERNAL_USER = UserSpec(
    "external", "a customer who is played from outside, step by step", _never_created, external=True
)


@dataclass(frozen=True)
class Participants:
    """The agent and the user with their limits, models and wrappers of tool calls.

    With `user_first` the agent's model does not see the messages before the customer's first one. `reply_seconds` is
    how long an agent that runs elsewhere may take for a reply. `customers` says how a customer is played, and
    `judge_rule` how several judges decide. `observers` are told what happens in the episodes.
    """

    agent: AgentSpec
    user: UserSpec
    limits: Limits = field(default_factory=Limits)
    wrappers: Sequence[Wrapper] = ()
    role_models: Mapping[ModelRole, RoleModel] = field(default_factory=dict)
    faults: Sequence[Callable[[str], Wrapper]] = ()
    user_first: bool = False
    reply_seconds: float = REPLY_SECONDS
    customers: CustomerSettings = field(default_factory=CustomerSettings)
    observers: Observers | None = None
    judge_rule: JudgeRule = "majority"

    @cached_property
    def panel(self) -> Panel | None:
        """The judges, None if there is none."""
        return Panel.of(self.role_models, self.judge_rule)

    @cached_property
    def create_agent(self) -> Callable[[AgentContext], Agent]:
        """The function that creates the agent of an episode. Raises PluginError if it cannot be imported."""
        return loaded(self.agent.create)

    @cached_property
    def create_user(self) -> Callable[[UserContext], User]:
        """The function that creates the customer of an episode. Raises PluginError if it cannot be imported."""
        return loaded(self.user.create)

    @cached_property
    def packages(self) -> frozenset[str]:
        """The packages whose code takes part in every episode, and whose tasks are tracked."""
        return packages_of(self.create_agent, self.create_user, *self.wrappers)

    def check(self, setting: Setting) -> None:
        """Refuse participants that do not fit the setting. Raises UsageError, PluginError."""
        if setting.solo and not self.user.solo:
            raise UsageError(f"solo play has no customer: use --user none, not {self.user.name!r}")
        if self.user.solo and not setting.solo:
            raise UsageError(f"user {self.user.name!r} is for solo play: add --solo, or choose another user")
        for spec, role in ((self.agent, "agent"), (self.user, "user")):
            if spec.needs_model and role not in self.role_models:
                raise UsageError(f"{role} {spec.name!r} needs a model: give --{role}-model PROVIDER/NAME")
        if not self.customers.as_usual:
            refuse_without_effect(self.user)
        for name, create in ((self.agent.name, self.create_agent), (self.user.name, self.create_user)):
            if not callable(create):
                raise PluginError(f"{name!r} cannot be created: its `create` is {create!r}, which is not callable")

    def watch(self, slot: Slot) -> Watch | None:
        """Return an object that tells the observers about one episode; None without observers."""
        return None if self.observers is None else Watch(self.observers, slot)

    def wrappers_for(self, task_id: str, seed: int) -> list[Wrapper]:
        """Return the wrappers of one episode's tool calls: plugins, and faults seeded by the episode."""
        if not self.faults:
            return [*self.wrappers]
        return [*self.wrappers, *(make(f"{task_id}/{seed}") for make in self.faults)]

    def episode_models(self, key: Slot | str, seed: int) -> dict[ModelRole, EpisodeModel]:
        """Return the models that one episode uses, which excludes the judge; `key` names the episode in a cassette."""
        if not self.role_models:
            return {}
        named = str(key)
        return {
            role: role_model.model_for(named, seed)
            for role, role_model in self.role_models.items()
            if role not in JUDGES
        }


def new_backend(
    make: Callable[[Environment, Sequence[Wrapper]], Backend],
    setting: Setting,
    task: Task,
    participants: Participants,
    seed: int,
) -> Backend:
    """Make a backend over a new environment in the task's start state, with the wrappers of one episode.

    Raises TaskError.
    """
    return make(new_environment(setting, task, seed), participants.wrappers_for(task.id, seed))


def agent_context(
    setting: Setting, task: Task, participants: Participants, seed: int, model: Model | None, backend: ToolBackend
) -> AgentContext:
    """Return the context of an episode's agent."""
    return AgentContext(
        domain=setting.domain,
        policy=setting.policy_for(task),
        tools=current(setting, lambda: agent_tools(setting, backend.unlocked_so_far)),
        seed=seed,
        solo=setting.solo,
        ticket=task.ticket if setting.solo else None,
        instruction=setting.instruction,
        request=setting.solo_request,
        gold=task if participants.agent.sees_gold else None,
        model=model,
        user_first=participants.user_first,
        reply_seconds=participants.reply_seconds,
    )


def user_context(
    setting: Setting,
    task: Task,
    participants: Participants,
    seed: int,
    model: Model | None,
    backend: ToolBackend,
    persona: Persona | None,
    note_turn: NoteTurn,
) -> UserContext:
    """Return the context of an episode's simulated customer."""
    customers = participants.customers
    tools = current(setting, lambda: user_tools(setting, task, backend.unlocked_so_far))
    guidelines = customers.guidelines(setting.pack, tools)
    if guidelines is None and setting.dataset:
        guidelines = setting.dataset.user_guidelines.get(bool(tools))
    check_draft = None
    if customers.detectors is not None:
        check_draft = DraftCheck(setting.domain, task.user_scenario, tools, customers.detectors)
    return UserContext(
        domain=setting.domain,
        scenario=task.user_scenario,
        tools=tools,
        seed=seed,
        guidelines=guidelines,
        gold=task if participants.user.sees_gold else None,
        model=model,
        persona=persona,
        exact_words=exact_words(task) if persona is not None and persona.speech_noise else frozenset(),
        plans=customers.prompt is not None and customers.prompt.plan,
        check_draft=check_draft,
        note_turn=note_turn,
    )
