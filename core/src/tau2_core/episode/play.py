"""Playing one episode: a task, an agent and a customer, from start state to record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from tau2_core.episode.conversation import Conversation, Limits
from tau2_core.episode.environment import Environment
from tau2_core.episode.setting import Setting
from tau2_core.episode.setup import start
from tau2_core.episode.solo import DONE_TOOL
from tau2_core.episode.stage import LocalStage, Stage
from tau2_core.errors import PluginError, UsageError
from tau2_core.foreign import describe, foreign
from tau2_core.llm.model import EpisodeModel, Line
from tau2_core.model.episodes import EpisodeRecord, Slot, Termination
from tau2_core.model.llm import Model, ModelError, ModelRole
from tau2_core.model.participants import AgentContext, UserContext
from tau2_core.model.registrations import AgentSpec, UserSpec, loaded
from tau2_core.model.tasks import Task
from tau2_core.model.tools import Tool
from tau2_core.plugins.catalogue import Wrapper


@dataclass(frozen=True)
class Cast:
    """Who plays, under which limits, and what is wrapped around their tool calls.

    With `user_first` the agent's model does not see what stands before the customer's first words.
    """

    agent: AgentSpec
    user: UserSpec
    limits: Limits = field(default_factory=Limits)
    wrappers: Sequence[Wrapper] = ()
    lines: Mapping[ModelRole, Line] = field(default_factory=dict)
    faults: Sequence[Callable[[str], Wrapper]] = ()
    user_first: bool = False

    def check(self, setting: Setting) -> None:
        """Refuse a cast that cannot play the setting. Raises UsageError, or PluginError if its code cannot be used."""
        if setting.solo and not self.user.solo:
            raise UsageError(f"solo play has no customer: use --user none, not {self.user.name!r}")
        if self.user.solo and not setting.solo:
            raise UsageError(f"user {self.user.name!r} is for solo play: add --solo, or choose another user")
        for spec, role in ((self.agent, "agent"), (self.user, "user")):
            if spec.needs_model and role not in self.lines:
                raise UsageError(f"{role} {spec.name!r} needs a model: give --{role}-model PROVIDER/NAME")
        for name, create in ((self.agent.name, loaded(self.agent.create)), (self.user.name, loaded(self.user.create))):
            if not callable(create):
                raise PluginError(f"{name!r} cannot play: what it names to create it is {create!r}, not callable")


OpenStage = Callable[[Setting, Task, Cast, int], AbstractAsyncContextManager[Stage]]


@asynccontextmanager
async def local_stage(setting: Setting, task: Task, cast: Cast, seed: int) -> AsyncIterator[Stage]:
    """Open a fresh world of this process in the task's start state. Raises TaskError."""
    environment = Environment(setting, seed=seed)
    start(environment, task)
    yield LocalStage(environment, [*cast.wrappers, *(make(f"{task.id}/{seed}") for make in cast.faults)])


async def play(
    setting: Setting, task: Task, cast: Cast, slot: Slot, seed: int, open_stage: OpenStage = local_stage
) -> EpisodeRecord:
    """Play one episode and return its record, ungraded; whatever goes wrong is in the record, not raised."""
    record = EpisodeRecord(
        domain=setting.domain,
        task_id=slot.task_id,
        trial=slot.trial,
        seed=seed,
        termination=Termination.INFRASTRUCTURE_ERROR,
        solo=setting.solo,
        variant=setting.variant,
        mode=setting.mode,
    )
    models: Models = {role: line.model_for(str(slot), seed) for role, line in cast.lines.items() if role != "judge"}
    conversation: Conversation | None = None
    try:
        async with open_stage(setting, task, cast, seed) as stage:
            conversation = open_conversation(setting, task, cast, stage, seed, models.get("user"))
            with foreign(f"agent {cast.agent.name}"):
                conversation.agent = loaded(cast.agent.create)(
                    agent_context(setting, task, cast, seed, models.get("agent"))
                )
            conversation.load(task.history())
            await _run_in_time(conversation, cast.limits.timeout_seconds, models)
            fill(record, conversation)
            record.digests = await stage.digests()
    except Exception as error:  # noqa: BLE001 - one episode's failure is recorded; the run goes on
        if conversation is not None:
            fill(record, conversation)
        record.termination = Termination.INFRASTRUCTURE_ERROR
        record.error = describe(error)
    record.usage = {role: model.usage for role, model in models.items()}
    return record


Models = Mapping[ModelRole, EpisodeModel]


async def _run_in_time(conversation: Conversation, seconds: float | None, models: Models) -> None:
    """Run a conversation to its end or the deadline; one that strikes while a model is awaited is infrastructure's."""
    try:
        async with asyncio.timeout(seconds) as deadline:
            await conversation.greet()
    except ModelError as error:
        conversation.termination, conversation.error = Termination.INFRASTRUCTURE_ERROR, str(error)
    except TimeoutError:
        if not deadline.expired():
            raise
        waiting = [role for role, model in models.items() if model.waiting]
        if waiting:
            conversation.termination = Termination.INFRASTRUCTURE_ERROR
            conversation.error = f"the episode's {seconds:g} s passed while the {waiting[0]}'s model was awaited"
        else:
            conversation.termination = Termination.TIMEOUT


def open_conversation(
    setting: Setting, task: Task, cast: Cast, stage: Stage, seed: int, model: Model | None = None
) -> Conversation:
    """Return a conversation on a stage, with the cast's customer; nothing is said yet."""
    with foreign(f"user {cast.user.name}"):
        user = loaded(cast.user.create)(user_context(setting, task, cast, seed, model))
    return Conversation(stage, user, cast.limits, setting.opening(), solo=setting.solo)


def fill(record: EpisodeRecord, conversation: Conversation) -> None:
    """Put into a record what a conversation came to; one that is not over is recorded as ended by the agent."""
    record.termination = conversation.termination or Termination.AGENT_STOP
    record.error = conversation.error
    record.steps = conversation.steps
    record.tool_calls = conversation.tool_calls
    record.tool_errors = dict(sorted(conversation.failures.items()))
    record.messages = conversation.messages


def agent_context(setting: Setting, task: Task, cast: Cast, seed: int, model: Model | None) -> AgentContext:
    """Return what the agent of an episode is given."""
    return AgentContext(
        domain=setting.domain,
        policy=setting.policy_text,
        tools=agent_tools(setting),
        seed=seed,
        solo=setting.solo,
        ticket=task.ticket if setting.solo else None,
        instruction=setting.instruction,
        request=setting.solo_request,
        gold=task if cast.agent.sees_gold else None,
        model=model,
        user_first=cast.user_first,
    )


def agent_tools(setting: Setting) -> list[Tool]:
    """Return what the agent may call; in solo play both sides' tools, and `done`."""
    tools = [*setting.tools("agent").values()]
    return [*tools, *setting.tools("user").values(), DONE_TOOL] if setting.solo else tools


def user_tools(setting: Setting, task: Task) -> list[Tool]:
    """Return what the customer may call in a task."""
    tools = setting.tools("user").items()
    return [tool for name, tool in tools if task.user_tools is None or name in task.user_tools]


def user_context(setting: Setting, task: Task, cast: Cast, seed: int, model: Model | None) -> UserContext:
    """Return what the simulated customer of an episode is given."""
    tools = user_tools(setting, task)
    guidelines = setting.dataset.user_guidelines.get(bool(tools)) if setting.dataset else None
    gold = task if cast.user.sees_gold else None
    return UserContext(setting.domain, task.user_scenario, tools, seed, guidelines, gold, model)
