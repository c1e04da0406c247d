"""An agent of Inspect in a run: `agent = InspectAgent(make, "openai/gpt-4.1")`, then `--agent python:FILE.py:agent`.

`make(tools)` returns an agent such as `react(tools=tools, prompt=None, submit=False)`. The policy and the conversation
are its messages, and the completion of its output is what the customer reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from functools import cached_property
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeVar

import anyio
from inspect_ai import Task, eval_async
from inspect_ai.agent import Agent, AgentState, run
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessage, ChatMessageSystem, ChatMessageUser, Model
from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.util import turn_limit
from inspect_ai.util._display import display_type_initialized, init_display_type
from tau2_core import AgentContext, AssistantMessage, Message, ToolResult
from tau2_core.agents.llm import system_prompt
from tau2_core.foreign_code import describe_error
from tau2_core.model.llm import ModelError, ModelFailure
from tenacity import RetryError

from tau2_gym_inspect.messages import inspect_messages
from tau2_gym_inspect.solver import MakeAgent
from tau2_gym_inspect.tools import inspect_tool

MOST_GENERATIONS = 200  # of one turn; the limits of the run apply to its tool calls
MAX_RETRIES = 3  # of a request; Inspect's default is to repeat it forever

T = TypeVar("T")

_eval_lock = anyio.Lock()  # Inspect refuses a second eval in the same process


class EvalError(Exception):
    """An eval of Inspect ended without a reply, and not by an error of the agent."""


class InspectAgent:
    """Makes an agent of Inspect for each episode. Each reply is a sample of an eval of its own, whose log is not kept.

    Args:
        make: returns an agent that calls these tools. It is called once per episode, within the first eval.
        model: the model of the evals, `PROVIDER/NAME` or an object; None if the agent brings its own.
        config: options of Inspect for the model, such as `temperature`. `max_retries` is 3 by default.
    """

    calls_tools: Literal["itself"] = "itself"

    def __init__(self, make: MakeAgent, model: str | Model | None, **config: Any) -> None:
        self.make, self.model = make, model
        self.config = {"max_retries": MAX_RETRIES, **config}

    def __call__(self, context: AgentContext) -> _EpisodeAgent:
        return _EpisodeAgent(self, context)


class _EpisodeAgent:
    def __init__(self, given: InspectAgent, context: AgentContext) -> None:
        self.given, self.context = given, context
        self.instructions = ChatMessageSystem(content=system_prompt(context))
        self.messages: list[ChatMessage] = []
        self.seen = 0

    @cached_property
    def agent(self) -> Agent:
        return self.given.make([inspect_tool(tool, self._call).as_tool() for tool in self.context.tools])

    async def reply(self, history: Sequence[Message]) -> AssistantMessage:
        sample = Sample(input=[self.instructions, *self.messages, *self._new(history)])
        async with _eval_lock:
            state = await _finish_or_cancel(self._run_eval(sample))
        # An agent may add its own prompt each time it is run, as react() does.
        self.messages = [message for message in state.messages if not isinstance(message, ChatMessageSystem)]
        return AssistantMessage(content=state.output.completion)

    def _new(self, history: Sequence[Message]) -> list[ChatMessage]:
        """Return what came since the last turn: at first everything, then only what the customer said."""
        new = inspect_messages(history[self.seen :])
        if self.seen:
            new = [message for message in new if isinstance(message, ChatMessageUser)]
        self.seen = len(history)
        return new or [ChatMessageUser(content=self.context.request)]

    async def _call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        # In its own asyncio task, the call is completed even if Inspect stops waiting for it.
        return await asyncio.shield(asyncio.ensure_future(self.context.call(name, arguments)))

    async def _run_eval(self, sample: Sample) -> AgentState:
        """Run the agent on a sample. Raises what the agent raises; EvalError; ModelError for a model that is down."""
        if not display_type_initialized():
            init_display_type("none")
        outcome: list[AgentState | Exception] = []
        task = Task(dataset=MemoryDataset([sample]), solver=_run_agent(self, outcome), name="reply")
        with TemporaryDirectory(prefix="tau2-gym-inspect-") as logs:
            (log,) = await eval_async(
                task,
                model=self.given.model,
                log_dir=logs,
                log_samples=False,
                log_realtime=False,
                ctl_server=False,
                **self.given.config,
            )
        if not outcome:
            raise EvalError(log.error.message if log.error else f"the status of the eval is {log.status}")
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0]


@solver
def _run_agent(episode_agent: _EpisodeAgent, outcome: list[AgentState | Exception]) -> Solver:
    """Run the agent and store its state or its exception, of which the eval's log would have only the text."""

    async def solve(state: TaskState, _generate: Generate) -> TaskState:
        try:
            played, exceeded = await run(episode_agent.agent, state.messages, [turn_limit(MOST_GENERATIONS)])
        except RetryError as error:  # what Inspect raises when it gives a model up
            last = error.last_attempt.exception() or error
            outcome.append(ModelError(ModelFailure.SERVER, f"Inspect gave up on the model: {describe_error(last)}"))
        except Exception as error:  # noqa: BLE001 - an agent may raise anything; it is raised after the eval
            outcome.append(error)
        else:
            outcome.append(exceeded or played)
        return state

    return solve


async def _finish_or_cancel(work: Coroutine[Any, Any, T]) -> T:
    """Await an eval. If cancelled, cancel the eval and wait until it ends, since it would return a log regardless."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait([task])
        raise
