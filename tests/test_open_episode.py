"""An episode that a program opens and steps: either side, sync or async, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tau2_core import (
    AgentContext,
    AssistantMessage,
    EpisodeError,
    Message,
    ToolCall,
    UsageError,
    UserMessage,
    open_episode,
)
from tau2_core.episode.setting import Setting

pytestmark = pytest.mark.domain("mock")
TASK = "complete_task"
RIGHT = {"task_id": "task_5", "status": "completed"}


def test_the_agents_side_is_played_by_a_program() -> None:
    async def play() -> None:
        async with open_episode("mock", TASK) as episode:
            assert episode.policy
            assert "update_task_status" in [tool.name for tool in episode.tools]
            assert [message.role for message in episode.messages] == ["assistant", "user"]
            assert await episode.reward() == 0.0
            assert (await episode.call("update_task_status", **RIGHT)).failure is None
            while episode.ended is None:
                await episode.say("It is done.")
            grade = await episode.grade()
            assert (grade.reward, grade.outcome) == (1.0, "solved")
            record = await episode.record()
            assert record.termination == episode.ended == "user_stop"
            assert record.tool_calls == 1

    asyncio.run(play())


def test_steps_need_not_be_awaited() -> None:
    with open_episode("mock", TASK) as episode:
        assert episode.call("update_task_status", **RIGHT).failure is None
        while episode.ended is None:
            episode.say("It is done.")
        assert episode.reward() == 1.0
        assert episode.record().task_id == TASK


def test_one_step_may_hold_several_calls() -> None:
    calls = [
        ToolCall(id="a", name="get_users", arguments={}),
        ToolCall(id="b", name="update_task_status", arguments=RIGHT),
    ]
    with open_episode("mock", TASK) as episode:
        results = episode.step(AssistantMessage(tool_calls=calls))
        assert [(message.role, message.id) for message in results if message.role == "tool"] == [
            ("tool", "a"),
            ("tool", "b"),
        ]
        assert episode.record().tool_calls == 2


def test_the_customers_side_is_played_by_a_program() -> None:
    async def complete(history: Sequence[Message]) -> AssistantMessage | str:
        if isinstance(history[-1], UserMessage):
            return AssistantMessage(tool_calls=[ToolCall(id="1", name="update_task_status", arguments=RIGHT)])
        return "It is done."

    with open_episode("mock", TASK, agent=complete, user="external") as episode:
        assert [message.role for message in episode.customer.messages] == ["assistant"]
        assert episode.customer.say("Please mark task_5 as completed.") == "It is done."
        assert episode.customer.say("Thank you. ###STOP###") is None
        assert (episode.ended, episode.reward()) == ("user_stop", 1.0)


def test_both_sides_are_played_by_a_program() -> None:
    with open_episode("mock", TASK, user="external") as episode:
        assert episode.customer.say("Please mark task_5 as completed.") is None
        assert episode.messages[-1] == UserMessage(content="Please mark task_5 as completed.", turn_idx=1)
        assert episode.call("update_task_status", **RIGHT).failure is None
        assert episode.say("It is done.") is None
        episode.customer.say("###STOP###")
        assert episode.reward() == 1.0


class Eager:
    """An agent class; an object is created for each episode."""

    def __init__(self, context: AgentContext) -> None:
        self.names = [tool.name for tool in context.tools]

    async def reply(self, history: Sequence[Message]) -> AssistantMessage:
        return AssistantMessage(content=f"I have {len(self.names)} tools and saw {len(history)} messages.")


@pytest.mark.parametrize("agent", [Eager, lambda context: Eager(context)], ids=["class", "factory"])
def test_a_custom_agent_plays_by_itself(agent: Any) -> None:
    with open_episode("mock", TASK, agent=agent, user="external") as episode:
        assert episode.customer.say("Hello") == "I have 4 tools and saw 2 messages."


def test_a_reset_starts_again() -> None:
    with open_episode("mock", TASK, seed=1) as episode:
        before = episode.record()
        episode.call("update_task_status", **RIGHT)
        assert episode.record().digests != before.digests
        episode.reset()
        assert episode.record() == before
        episode.reset(seed=0)
        assert episode.record().seed == 0


def test_without_a_task_there_is_an_environment_and_no_customer() -> None:
    with open_episode("mock") as episode:
        assert episode.call("get_users").failure is None
        assert episode.messages[-1].role == "tool"


def test_a_pack_that_is_not_installed(small_pack: Callable[..., Setting]) -> None:
    setting = small_pack("def count(db):\n    return len(db.items)\n", {"count": {}})
    with open_episode(setting.domain, packs=[setting.pack.folder]) as episode:
        assert episode.call("count").content == '"2"'


def test_nothing_can_be_done_after_the_end() -> None:
    with open_episode("mock", TASK, user="external") as episode:
        episode.customer.say("###STOP###")
        before = episode.record()
        for step in (
            lambda: episode.call("get_users"),
            lambda: episode.say("hello"),
            lambda: episode.customer.say("x"),
        ):
            with pytest.raises(EpisodeError, match="has ended \\(user_stop\\); reset it"):
                step()
        assert episode.record() == before


def test_nothing_can_be_done_after_the_block() -> None:
    with open_episode("mock", TASK) as episode:
        pass
    with pytest.raises(EpisodeError, match="is closed"):
        episode.call("get_users")


def test_one_step_at_a_time() -> None:
    async def play() -> None:
        asked, answer = asyncio.Event(), asyncio.Event()

        async def wait(_history: Sequence[Message]) -> UserMessage:
            if asked.is_set():
                await answer.wait()
            asked.set()
            return UserMessage(content="Yes?")

        async with open_episode("mock", TASK, user=wait) as episode:
            first = asyncio.create_task(episode.say("One moment."))
            await asyncio.sleep(0)
            for step in (episode.say("Hello?"), episode.call("get_users"), episode.reset()):
                with pytest.raises(EpisodeError, match="in progress"):
                    await step
            answer.set()
            assert await first == "Yes?"
            assert [message.content for message in episode.messages][-2:] == ["One moment.", "Yes?"]

    asyncio.run(play())


def test_only_the_side_whose_turn_it_is_can_speak() -> None:
    with open_episode("mock", TASK, user="external") as episode, pytest.raises(EpisodeError, match="the user's turn"):
        episode.say("Hello")


def test_a_running_loop_needs_await() -> None:
    async def play() -> None:
        with pytest.raises(UsageError, match="async with"):
            open_episode("mock", TASK).__enter__()

    asyncio.run(play())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"domain": "mok"}, "did you mean 'mock'"),
        ({"task": "complete_tas"}, "did you mean 'complete_task'"),
        ({"user": "scriptd"}, "did you mean 'scripted'"),
        ({"agent": object()}, "cannot play; give a registered name"),
        ({"agent": int}, "the class int has no method `reply`"),
        ({"user": "llm"}, "needs a model"),
        ({"evaluators": "tau3"}, "tau3"),
        ({"dataset": "nowhere"}, "no such folder"),
        ({"user_model": 7}, "give a model's name"),
        ({"max_steps": 0}, "max-steps must be at least 1"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_wrong_options_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        open_episode(**{"domain": "mock", "task": TASK, **options})


def test_a_step_that_is_not_a_message_is_refused() -> None:
    with open_episode("mock", TASK) as episode:
        before = episode.messages
        with pytest.raises(UsageError, match="non-empty"):
            episode.say("  ")
        for wrong in (None, "Hello", UserMessage(content="Hello")):
            with pytest.raises(UsageError, match="give a message of type AssistantMessage, not"):
                episode.step(wrong)  # type: ignore[arg-type]
        assert episode.ended is None
        assert episode.messages == before


def test_a_seed_is_an_integer() -> None:
    with pytest.raises(UsageError, match="seed: give an integer, not 'x'"):
        open_episode("mock", TASK, seed="x").__enter__()  # type: ignore[arg-type]


def test_no_step_after_the_block() -> None:
    async def play() -> None:
        async with open_episode("mock", TASK) as episode:
            pass
        with pytest.raises(EpisodeError, match="the episode is closed"):
            await episode.say("Hello?")

    asyncio.run(play())
