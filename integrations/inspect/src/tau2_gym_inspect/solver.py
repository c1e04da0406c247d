"""The solver: the conversation of Inspect's model with our customer, and its calls of our tools."""

from __future__ import annotations

from collections.abc import Callable

import anyio
from inspect_ai.agent import Agent, run
from inspect_ai.model import ChatMessageUser
from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.tool import Tool
from tau2_core import AssistantMessage, Episode
from tau2_core.llm.reply import EMPTY_REMINDER, REPAIRS

from tau2_gym_inspect.sample_episodes import SampleEpisodes, UnscoredError
from tau2_gym_inspect.tools import inspect_tools, make_call

MakeAgent = Callable[[list[Tool]], Agent]


@solver
def begin_episode(episodes: SampleEpisodes) -> Solver:
    """Begin the sample's episode: the messages and the tools become the agent's."""

    async def solve(state: TaskState, _generate: Generate) -> TaskState:
        state.messages = await episodes.open(state)
        state.tools = [tool.as_tool() for tool in inspect_tools(episodes.of(state))]
        state.tool_choice = "any" if episodes.of(state).setting.solo else "auto"
        return state

    return solve


@solver
def converse(episodes: SampleEpisodes) -> Solver:
    """Let the model talk to the customer and call tools until the episode ends.

    An empty answer is requested again up to twice, as in a run. Raises UnscoredError if the episode ended by an
    infrastructure error.
    """

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        episode = episodes.of(state)
        tools = inspect_tools(episode)
        empty = 0
        while episode.ended is None:
            state = await generate(state, tool_calls="none")
            answer = state.output.message
            for call in answer.tool_calls or []:
                if episode.ended is None:
                    state.messages.append(await make_call(episode, tools, call))
            if answer.tool_calls:
                empty = 0
            elif answer.text.strip() or empty == REPAIRS:
                empty = 0
                state.messages += await _said(episode, answer.text)
            else:
                empty += 1
                state.messages.append(ChatMessageUser(content=EMPTY_REMINDER))
            episodes.raise_limit(state)
        _refuse_unscored(episode)
        return state

    return solve


@solver
def played_by(episodes: SampleEpisodes, make: MakeAgent) -> Solver:
    """Let an agent of Inspect take the turns: it calls the tools itself, and its last text is for the customer.

    `make` gets the episode's tools and returns the sample's agent. A call that ends the episode, by a limit or `done`,
    also ends the agent's turn. Raises UnscoredError as `converse` does.
    """

    async def solve(state: TaskState, _generate: Generate) -> TaskState:
        episode = episodes.of(state)
        turn = anyio.CancelScope()

        def end_turn() -> None:
            turn.cancel()

        agent = make([tool.as_tool() for tool in inspect_tools(episode, end_turn)])
        while episode.ended is None:
            turn = anyio.CancelScope()
            with turn:
                played = await run(agent, state.messages)
                state.messages, state.output = played.messages, played.output
            if episode.ended is None:
                state.messages += await _said(episode, state.output.completion)
            episodes.raise_limit(state)
        _refuse_unscored(episode)
        return state

    return solve


async def _said(episode: Episode, text: str) -> list[ChatMessageUser]:
    """Say something to the customer, and return the answer."""
    reply = await episode.step(AssistantMessage(content=text))
    return [ChatMessageUser(content=each.content or "") for each in reply if each.role == "user"]


def _refuse_unscored(episode: Episode) -> None:
    if episode.conversation.error and episode.ended == "infrastructure_error":
        raise UnscoredError(episode.conversation.error)
