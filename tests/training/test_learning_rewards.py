"""Rewards for learning: shaping that changes no ranking, bounds, and equal sums live and from the record."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise
from math import isclose

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tau2_core import EpisodeFactory, EpisodeRecord, Grade, RewardWeights, Task, UsageError
from tau2_core.model.episodes import Termination
from tau2_core.model.messages import Message, ToolMessage

pytestmark = pytest.mark.domain("mock", "telecom")
TASK = "complete_task"
SOLVED = ("update_task_status", {"task_id": "task_5", "status": "completed"})
MOVES = st.sampled_from(
    [
        SOLVED,
        ("update_task_status", {"task_id": "task_5", "status": "pending"}),
        ("update_task_status", {"task_id": "task_1", "status": "completed"}),
        ("create_task", {"user_id": "rosa_delgado", "title": "Another"}),
        ("no_such_tool", {}),
        "It is done.",
    ]
)
Move = tuple[str, dict[str, str]] | str
WEIGHTS = st.builds(
    RewardWeights,
    final=st.sampled_from([0.0, 1.0]),
    partial=st.sampled_from([0.0, 0.5]),
    actions=st.floats(0, 2),
    database=st.floats(0, 2),
    discount=st.sampled_from([1.0, 0.9]),
    step_penalty=st.sampled_from([0.0, 0.01]),
    error_penalty=st.sampled_from([0.0, 0.1]),
)


@cache
def mock() -> EpisodeFactory:
    return EpisodeFactory("mock")


def played(
    moves: Sequence[Move], weights: RewardWeights, task: str | Task = TASK
) -> tuple[list[float], EpisodeRecord, Grade]:
    """Play moves, then continue until the customer ends; return each step's live reward, the record and the grade."""

    async def play() -> tuple[list[float], EpisodeRecord, Grade]:
        episode = mock().episode(task)
        await episode.begin()
        step_rewards = mock().step_rewards(episode, weights)
        paid: list[float] = []
        for move in [*moves, *["Goodbye."] * 20]:
            if episode.ended is not None:
                break
            if isinstance(move, str):
                await episode.say(move)
            else:
                await episode.call(move[0], **move[1])
            if episode.ended is None:
                paid.append(step_rewards.step())
        grade = await episode.grade()
        paid.append(step_rewards.step(grade))
        return paid, await episode.record(), grade

    return asyncio.run(play())


@given(st.lists(MOVES, max_size=6), WEIGHTS)
@settings(max_examples=60)
def test_live_and_from_the_record_every_step_is_paid_the_same(moves: list[Move], weights: RewardWeights) -> None:
    paid, record, grade = played(moves, weights)
    again = mock().learning_rewards(EpisodeRecord.model_validate(record.line()), grade, weights)
    assert len(again) == len(paid)
    assert all(isclose(one, other, abs_tol=1e-12) for one, other in zip(again, paid, strict=True))


@given(
    st.lists(MOVES, max_size=6),
    st.lists(MOVES, max_size=6),
    st.floats(0, 2),
    st.floats(0, 2),
    st.sampled_from([1.0, 0.9, 0.5]),
)
@settings(max_examples=60)
def test_shaping_adds_the_same_to_every_path(
    one: list[Move], other: list[Move], actions: float, database: float, discount: float
) -> None:
    """The discounted sum of the shaping is minus the potential at the start, whatever the path."""
    plain, shaped = RewardWeights(), RewardWeights(actions=actions, database=database, discount=discount)
    added = []
    for moves in (one, other):
        _, record, grade = played(moves, plain)
        pairs = zip(
            mock().learning_rewards(record, grade, plain), mock().learning_rewards(record, grade, shaped), strict=True
        )
        differences = [more - less for less, more in pairs]
        assert all(abs(difference) <= actions + database + 1e-9 for difference in differences)
        added.append(sum(discount**step * difference for step, difference in enumerate(differences)))
    assert isclose(added[0], added[1], abs_tol=1e-9)
    assert isclose(added[0], 0.0, abs_tol=1e-9)  # nothing of this task is done at the start


def test_a_step_towards_the_gold_is_paid_at_once() -> None:
    paid, _, _ = played(["I see to it.", SOLVED, "It is done."], RewardWeights(actions=0.5, database=0.5))
    assert paid[:2] == [0.0, 1.0]
    assert sum(paid) == 1.0


def test_partial_credit_is_the_mean_of_both_shares() -> None:
    weights = RewardWeights(final=0.0, partial=1.0)
    assert played([SOLVED], weights)[0][-1] == 1.0
    assert played([], weights)[0][-1] == 0.0
    undone = played([SOLVED, ("update_task_status", {"task_id": "task_5", "status": "pending"})], weights)[0][-1]
    assert undone == 0.5  # the call was made, and the database is unchanged


UNDO = ("update_task_status", {"task_id": "task_5", "status": "pending"})
OTHERS = [("update_task_status", {"task_id": f"task_{number}", "status": "completed"}) for number in (1, 2)]


@pytest.mark.parametrize(
    ("gold", "moves", "potentials"),
    [
        ([], [OTHERS[0]], [0.75, 0.5]),  # every call is made; the database is right while nothing changes
        ([SOLVED], [*OTHERS, SOLVED], [0.0, 0.0, 0.0, 0.5]),  # it cannot be further away than at the start
        ([SOLVED, OTHERS[0]], [SOLVED, UNDO, OTHERS[0]], [0.0, 0.375, 0.25, 0.625]),
    ],
)
def test_potentials_are_shares_of_calls_and_of_the_way_to_the_gold_state(
    gold: list[tuple[str, dict[str, str]]], moves: list[Move], potentials: list[float]
) -> None:
    actions = [{"name": name, "arguments": arguments} for name, arguments in gold]
    known = mock().tasks[TASK]
    assert known.evaluation_criteria is not None
    criteria = {"actions": actions, "reward_basis": ["DB"]}
    task = type(known).model_validate({**known.model_dump(), "id": f"own_{len(gold)}", "evaluation_criteria": criteria})
    paid, _, _ = played(["I see to it.", *moves], RewardWeights(final=0.0, actions=0.5, database=0.25), task)
    assert paid[: len(potentials)] == pytest.approx([0.0, *(new - old for old, new in pairwise(potentials))])


def test_criteria_and_penalties_are_paid_by_their_weights() -> None:
    weights = RewardWeights(final=0.0, criteria={"DB": 0.25, "NONE": 3.0}, step_penalty=0.01, error_penalty=0.1)
    paid, _, _ = played([("no_such_tool", {}), SOLVED], weights)
    assert paid[:2] == pytest.approx([-0.11, -0.01])
    assert paid[-1] == pytest.approx(0.25 - 0.01)
    assert played([], weights)[0][-1] == pytest.approx(-0.01)


def test_the_customers_steps_are_paid_too() -> None:
    factory = EpisodeFactory("telecom", split="test", agent="oracle", user="scripted", tasks=None)
    task = next(task for task in factory.tasks.values() if any(action.requestor == "user" for action in task.gold()))

    async def play() -> tuple[EpisodeRecord, Grade]:
        episode = factory.episode(task)
        await episode.begin()
        return await episode.record(), await episode.grade()

    record, grade = asyncio.run(play())
    assert grade.reward == 1.0
    weights = RewardWeights(final=0.0, actions=1.0)
    for side in ("agent", "user"):
        paid = factory.learning_rewards(record, grade, weights, side=side)
        assert len(paid) > 3
        assert sum(paid) == pytest.approx(0.0)
        assert max(paid) > 0
    failed = record.model_copy(update={"messages": [_failing(each) for each in record.messages]})
    calls = sum(isinstance(each, ToolMessage) and each.requestor == "user" for each in record.messages)
    weights = RewardWeights(final=0.0, error_penalty=1.0)
    paid_for_errors = [sum(factory.learning_rewards(failed, grade, weights, side=side)) for side in ("agent", "user")]
    assert paid_for_errors == [0.0, -calls]


def _failing(message: Message) -> Message:
    """Return a message, with an error if it is the result of a customer's call."""
    if isinstance(message, ToolMessage) and message.requestor == "user":
        return message.model_copy(update={"error": True})
    return message


def test_an_unscored_episode_is_paid_nothing() -> None:
    _, record, grade = played([SOLVED], RewardWeights())
    lost = grade.model_copy(update={"reward": None})
    paid = mock().learning_rewards(record, lost, RewardWeights(step_penalty=1.0))
    assert paid == [0.0] * len(mock().learning_rewards(record, grade, RewardWeights()))


def test_a_live_step_with_a_grade_that_has_no_reward_is_paid_without_it() -> None:
    async def play() -> float:
        episode = mock().episode(TASK)
        await episode.begin()
        step_rewards = mock().step_rewards(episode, RewardWeights(criteria={"DB": 2.0}, step_penalty=0.25))
        await episode.call(SOLVED[0], **SOLVED[1])
        grade = await episode.grade()
        pending = {name: replace(verdict, reward=None) for name, verdict in grade.verdicts.items()}
        return step_rewards.step(grade.model_copy(update={"reward": None, "verdicts": pending}))

    assert asyncio.run(play()) == -0.25


def test_an_agent_that_ends_the_conversation_has_made_one_more_step() -> None:
    _, record, grade = played([SOLVED], RewardWeights())
    ended = record.model_copy(update={"termination": Termination.AGENT_STOP})
    weights = RewardWeights(step_penalty=1.0)
    steps = len(mock().learning_rewards(record, grade, weights))
    assert mock().learning_rewards(ended, grade, weights) == [-1.0] * steps + [0.0]
    assert len(mock().learning_rewards(ended.model_copy(update={"solo": True}), grade, weights)) == steps
    customers = [mock().learning_rewards(each, grade, weights, side="user") for each in (record, ended)]
    assert len(customers[0]) == len(customers[1])


def test_the_database_alone_may_be_paid() -> None:
    assert played([SOLVED], RewardWeights(final=0.0, database=0.25))[0][0] == 0.25


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"final": -1.0}, "final should be"),
        ({"actions": float("nan")}, "actions should be"),
        ({"discount": 1.5}, "discount should be"),
        ({"criteria": {"DB": True}}, "DB should be"),
        ({"partial": "much"}, "partial should be"),
    ],
)
def test_invalid_weights_are_refused(weights: dict[str, float], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        RewardWeights(**weights)  # type: ignore[arg-type]
