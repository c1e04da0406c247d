"""Playing one episode: a task, an agent and a customer, from start state to record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tau2_core.episode.conversation import Conversation, Limits
from tau2_core.episode.environment import Environment
from tau2_core.episode.setting import Setting
from tau2_core.episode.setup import start
from tau2_core.episode.solo import DONE_TOOL
from tau2_core.errors import UsageError
from tau2_core.hookspecs import Proceed
from tau2_core.model.episodes import EpisodeRecord, Slot, Termination
from tau2_core.model.messages import ToolCall
from tau2_core.model.participants import AgentContext, UserContext
from tau2_core.model.registrations import AgentSpec, Lazy, UserSpec
from tau2_core.model.tasks import Task
from tau2_core.model.tools import ToolResult
from tau2_core.plugins.catalogue import Wrapper

Code = TypeVar("Code")


@dataclass(frozen=True)
class Cast:
    """Who plays, under which limits, and what is wrapped around their tool calls."""

    agent: AgentSpec
    user: UserSpec
    limits: Limits = field(default_factory=Limits)
    wrappers: Sequence[Wrapper] = ()

    def check(self, setting: Setting) -> None:
        """Refuse a cast that cannot play the setting. Raises UsageError."""
        if setting.solo and not self.user.solo:
            raise UsageError(f"solo play has no customer: use --user none, not {self.user.name!r}")
        if self.user.solo and not setting.solo:
            raise UsageError(f"user {self.user.name!r} is for solo play: add --solo, or choose another user")


async def play(setting: Setting, task: Task, cast: Cast, slot: Slot, seed: int) -> EpisodeRecord:
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
        environment = Environment(setting, seed=seed)
        start(environment, task)
        conversation = Conversation(
            environment,
            _load(cast.agent.create)(_agent_context(setting, task, cast, seed)),
            _load(cast.user.create)(_user_context(setting, task, cast, seed)),
            _dispatch(environment, cast.wrappers),
            cast.limits,
            setting.opening(),
            solo=setting.solo,
        )
        history = (task.initial_state.message_history if task.initial_state else None) or []
        record.termination = await conversation.run(history)
    except Exception as error:  # noqa: BLE001 - one episode's failure is recorded; the run goes on
        record.error = f"{type(error).__name__}: {error}"
        return record
    record.error = conversation.error
    record.steps = conversation.steps
    record.tool_calls = conversation.tool_calls
    record.tool_errors = dict(sorted(conversation.failures.items()))
    record.digests = environment.digests()
    record.messages = conversation.messages
    return record


def _agent_context(setting: Setting, task: Task, cast: Cast, seed: int) -> AgentContext:
    tools = [*setting.tools("agent").values()]
    if setting.solo:
        tools += [*setting.tools("user").values(), DONE_TOOL]
    return AgentContext(
        domain=setting.domain,
        policy=setting.policy_text,
        tools=tools,
        seed=seed,
        solo=setting.solo,
        ticket=task.ticket if setting.solo else None,
        instruction=setting.dataset.agent_instruction if setting.dataset else None,
        gold=task if cast.agent.sees_gold else None,
    )


def _user_context(setting: Setting, task: Task, cast: Cast, seed: int) -> UserContext:
    available = setting.tools("user")
    tools = [tool for name, tool in available.items() if task.user_tools is None or name in task.user_tools]
    guidelines = setting.dataset.user_guidelines.get(bool(tools)) if setting.dataset else None
    gold = task if cast.user.sees_gold else None
    return UserContext(setting.domain, task.user_scenario, tools, seed, guidelines, gold)


def _load(code: Callable[..., Code] | Lazy[Callable[..., Code]]) -> Callable[..., Code]:
    return code.load() if isinstance(code, Lazy) else code


def _dispatch(environment: Environment, wrappers: Sequence[Wrapper]) -> Proceed:
    async def call(tool_call: ToolCall) -> ToolResult:
        return environment.call(tool_call)

    proceed: Proceed = call
    for wrapper in reversed(wrappers):
        proceed = _wrapped(wrapper, proceed)
    return proceed


def _wrapped(wrapper: Wrapper, inner: Proceed) -> Proceed:
    async def call(tool_call: ToolCall) -> ToolResult:
        result: ToolResult = await wrapper(tool_call, inner)
        return result

    return call
