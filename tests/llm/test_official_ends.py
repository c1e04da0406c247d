"""Episodes that end well by our rules alone: the export to official files claims no more than official code would."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tau2_core.cli.app import app
from tau2_core.testing.scripted_endpoint import Answer, Reply, call
from typer.testing import CliRunner

from .conftest import Played

pytestmark = pytest.mark.domain("mock")
Play = Callable[..., Played]
CREATE = ("create_task", {"user_id": "piet_lindgren", "title": "Tune the piano"})
COMPLETE = ("update_task_status", {"task_id": "task_5", "status": "completed"})
WRONG = ("create_task", {"user_id": "nobody", "title": "Tune the piano"})
LOOK: tuple[str, dict[str, Any]] = ("get_users", {})
DONE: tuple[str, dict[str, Any]] = ("done", {})
AGENT = {"agent": "endpoint/agent"}


def same_id(*calls: tuple[str, dict[str, Any]]) -> Reply:
    made = call(*calls)
    return replace(made, message={**made.message, "tool_calls": [{**c, "id": "x"} for c in made.message["tool_calls"]]})


def exported(played: Played) -> dict[str, Any]:
    """Return the simulation in the exported file, which our own reading of official files must agree with."""
    file = played.folder.with_suffix(".json")
    assert CliRunner().invoke(app, ["export", str(played.folder), str(file)]).exit_code == 0
    graded = CliRunner().invoke(app, ["grade", str(file), "--compare", "--executor", "async"])
    assert graded.exit_code == 0, graded.output
    (simulation,) = json.loads(file.read_text(encoding="utf-8"))["simulations"]
    _pairs(simulation["messages"])
    return dict(simulation)


def _pairs(messages: list[dict[str, Any]]) -> None:
    """Check what official code insists on: each call is followed, in order, by the result with its id."""
    left = list(messages)
    while left:
        for made in left.pop(0).get("tool_calls") or []:
            result = left.pop(0)
            assert (result["role"], result["id"]) == ("tool", made["id"])


def claim(simulation: dict[str, Any]) -> tuple[str, float]:
    return simulation["termination_reason"], simulation["reward_info"]["reward"]


UNREADABLE = "a call's arguments were not a JSON object, which aborts it in tau2-bench"


@pytest.mark.parametrize(
    ("disturbed", "end", "note"),
    [
        ({}, ("user_stop", 1.0), None),
        ({"agent": [call(("create_task", "{not JSON"))]}, ("agent_error", 0.0), UNREADABLE),
        ({"agent": [call(("create_task", "[1]"))]}, ("agent_error", 0.0), UNREADABLE),
        ({"agent": [call(LOOK, ("create_task", '"x"'))]}, ("agent_error", 0.0), UNREADABLE),
        ({"agent": [replace(call(WRONG), finish_reason="length")]}, ("agent_error", 0.0), UNREADABLE),
        ({"user": [None, call(("check_notifications", "{"))]}, ("user_error", 0.0), UNREADABLE),
        ({"agent": [call(WRONG), call(LOOK)]}, ("user_stop", 1.0), None),
        ({"agent": [call(LOOK, WRONG)]}, ("user_stop", 1.0), None),
    ],
    ids=[
        "well",
        "no JSON",
        "no object",
        "the second of two",
        "cut off",
        "the customer's",
        "a failed call",
        "two calls",
    ],
)
def test_arguments_that_cannot_be_read(
    play: Play, disturbed: dict[str, list[Answer | None]], end: tuple[str, float], note: str | None
) -> None:
    played = play("--task", "create_plain", **disturbed)
    assert played.end == ("user_stop", "solved"), played.record
    simulation = exported(played)
    assert claim(simulation) == end
    info = simulation["reward_info"]["info"]
    assert info.get("note") == (note and f"not graded by tau2-bench: {note}")
    assert info.get("own_reward") == (1.0 if note else None)


@pytest.mark.parametrize("calls", [(COMPLETE, LOOK), (WRONG, COMPLETE), (COMPLETE, WRONG), (COMPLETE, COMPLETE)])
@pytest.mark.parametrize("at_once", [True, False])
def test_calls_of_one_id(play: Play, calls: tuple[tuple[str, dict[str, Any]], ...], *, at_once: bool) -> None:
    answers = [same_id(*calls)] if at_once else [same_id(each) for each in calls]
    played = play("--task", "complete_task", agent=answers)
    assert played.end == ("user_stop", "solved")
    assert claim(exported(played)) == ("user_stop", 1.0)


@pytest.mark.parametrize(("more", "end"), [(0, ("max_steps", 0.0)), (1, ("user_stop", 1.0))])
def test_an_end_in_the_last_step_is_exported_as_the_limit(play: Play, more: int, end: tuple[str, float]) -> None:
    steps = play("--task", "complete_task").record["steps"]
    played = play("--task", "complete_task", "--max-steps", steps + more)
    assert played.end == ("user_stop", "solved")
    assert claim(exported(played)) == end


class TestSolo:
    @pytest.fixture
    def alone(self, play: Play) -> Callable[..., Played]:
        return lambda *answers, **limits: play(
            *("--task", "create_plain", "--solo"),
            *[part for name, value in limits.items() for part in (f"--{name.replace('_', '-')}", value)],
            models=AGENT,
            agent=answers,
        )

    @pytest.mark.parametrize("before", [(), (call(LOOK),)])
    def test_calls_next_to_done_do_not_count_in_tau2_bench(
        self, alone: Callable[..., Played], before: tuple[Answer, ...]
    ) -> None:
        played = alone(*before, call(CREATE, DONE))
        assert played.end == ("agent_stop", "solved")
        simulation = exported(played)
        assert "create_task" not in json.dumps(simulation["messages"])
        assert claim(simulation) == ("agent_stop", 0.0)

    @pytest.mark.parametrize("beside", [(LOOK, DONE), (DONE, LOOK), (DONE, DONE), (WRONG, DONE)])
    def test_irrelevant_calls_next_to_done_change_nothing(
        self, alone: Callable[..., Played], beside: tuple[tuple[str, dict[str, Any]], ...]
    ) -> None:
        played = alone(call(CREATE), call(*beside), max_errors=1)
        assert played.end == ("agent_stop", "solved")
        simulation = exported(played)
        assert claim(simulation) == ("agent_stop", 1.0)
        assert simulation["messages"][-1]["content"] == "###STOP###"
        note = simulation["reward_info"]["info"]["note"]
        assert "tau2-bench does not make calls beside `done`; with them the reward was 1.0" in note

    def test_done_alone_is_exported_as_in_tau2_bench(self, alone: Callable[..., Played]) -> None:
        played = alone(call(CREATE), call(DONE))
        simulation = exported(played)
        assert claim(simulation) == ("agent_stop", 1.0)
        assert "note" not in simulation["reward_info"]["info"]

    @pytest.mark.parametrize(("most", "end"), [(2, ("max_steps", 0.0)), (3, ("agent_stop", 1.0))])
    def test_executing_done_is_not_a_step(
        self, alone: Callable[..., Played], most: int, end: tuple[str, float]
    ) -> None:
        played = alone(call(CREATE), call(DONE), max_steps=most)
        assert played.end == ("agent_stop", "solved")
        assert claim(exported(played)) == end

    def test_a_stop_token_next_to_calls_ends_the_official_episode(self, alone: Callable[..., Played]) -> None:
        played = alone(call(CREATE, content="###STOP###"), call(DONE))
        assert played.end == ("agent_stop", "solved")
        assert claim(exported(played)) == ("agent_error", 0.0)
