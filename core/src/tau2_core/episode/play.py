"""Playing one episode: a task, an agent and a customer, from start state to record."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from tau2_core.episode.conversation import Conversation, Limits
from tau2_core.episode.environment import Environment
from tau2_core.episode.setting import Setting
from tau2_core.episode.setup import start
from tau2_core.episode.solo import DONE_TOOL
from tau2_core.episode.stage import LocalStage, Stage
from tau2_core.errors import PluginError, UsageError
from tau2_core.model.episodes import EpisodeRecord, Slot, Termination
from tau2_core.model.participants import Agent, AgentContext, UserContext
from tau2_core.model.registrations import AgentSpec, UserSpec, loaded
from tau2_core.model.tasks import Task
from tau2_core.model.tools import Tool
from tau2_core.plugins.catalogue import Wrapper


@dataclass(frozen=True)
class Cast:
    """Who plays, under which limits, and what is wrapped around their tool calls."""

    agent: AgentSpec
    user: UserSpec
    limits: Limits = field(default_factory=Limits)
    wrappers: Sequence[Wrapper] = ()

    def check(self, setting: Setting) -> None:
        """Refuse a cast that cannot play the setting. Raises UsageError, or PluginError if its code cannot be used."""
        if setting.solo and not self.user.solo:
            raise UsageError(f"solo play has no customer: use --user none, not {self.user.name!r}")
        if self.user.solo and not setting.solo:
            raise UsageError(f"user {self.user.name!r} is for solo play: add --solo, or choose another user")
        for name, create in ((self.agent.name, loaded(self.agent.create)), (self.user.name, loaded(self.user.create))):
            if not callable(create):
                raise PluginError(f"{name!r} cannot play: what it names to create it is {create!r}, not callable")


OpenStage = Callable[[Setting, Task, Cast, int], AbstractAsyncContextManager[Stage]]


@asynccontextmanager
async def local_stage(setting: Setting, task: Task, cast: Cast, seed: int) -> AsyncIterator[Stage]:
    """Open a fresh world of this process in the task's start state. Raises TaskError."""
    environment = Environment(setting, seed=seed)
    start(environment, task)
    yield LocalStage(environment, cast.wrappers)


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
    try:
        async with open_stage(setting, task, cast, seed) as stage:
            agent = create_agent(setting, task, cast, seed)
            conversation = open_conversation(setting, task, cast, stage, seed)
            await conversation.run(agent, task.history())
            fill(record, conversation)
            record.digests = await stage.digests()
    except Exception as error:  # noqa: BLE001 - one episode's failure is recorded; the run goes on
        record.termination = Termination.INFRASTRUCTURE_ERROR
        record.error = f"{type(error).__name__}: {error}"
    return record


def open_conversation(setting: Setting, task: Task, cast: Cast, stage: Stage, seed: int) -> Conversation:
    """Return a conversation on a stage, with the cast's customer; nothing is said yet."""
    user = loaded(cast.user.create)(_user_context(setting, task, cast, seed))
    return Conversation(stage, user, cast.limits, setting.opening(), solo=setting.solo)


def fill(record: EpisodeRecord, conversation: Conversation) -> None:
    """Put into a record what a conversation came to; one that is not over is recorded as ended by the agent."""
    record.termination = conversation.termination or Termination.AGENT_STOP
    record.error = conversation.error
    record.steps = conversation.steps
    record.tool_calls = conversation.tool_calls
    record.tool_errors = dict(sorted(conversation.failures.items()))
    record.messages = conversation.messages


def create_agent(setting: Setting, task: Task, cast: Cast, seed: int) -> Agent:
    """Return the cast's agent, told what an agent may know."""
    return loaded(cast.agent.create)(_agent_context(setting, task, cast, seed))


def _agent_context(setting: Setting, task: Task, cast: Cast, seed: int) -> AgentContext:
    return AgentContext(
        domain=setting.domain,
        policy=setting.policy_text,
        tools=agent_tools(setting),
        seed=seed,
        solo=setting.solo,
        ticket=task.ticket if setting.solo else None,
        instruction=setting.dataset.agent_instruction if setting.dataset else None,
        gold=task if cast.agent.sees_gold else None,
    )


def agent_tools(setting: Setting) -> list[Tool]:
    """Return what the agent may call; in solo play both sides' tools, and `done`."""
    tools = [*setting.tools("agent").values()]
    return [*tools, *setting.tools("user").values(), DONE_TOOL] if setting.solo else tools


def user_tools(setting: Setting, task: Task) -> list[Tool]:
    """Return what the customer may call in a task."""
    tools = setting.tools("user").items()
    return [tool for name, tool in tools if task.user_tools is None or name in task.user_tools]


def _user_context(setting: Setting, task: Task, cast: Cast, seed: int) -> UserContext:
    tools = user_tools(setting, task)
    guidelines = setting.dataset.user_guidelines.get(bool(tools)) if setting.dataset else None
    gold = task if cast.user.sees_gold else None
    return UserContext(setting.domain, task.user_scenario, tools, seed, guidelines, gold)
