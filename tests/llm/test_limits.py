"""How many requests a provider gets, at once and a minute, and how long calls, turns, episodes and runs may take."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tau2_core.testing.scripted_endpoint import Answer, Dropped, Stalled

from .conftest import MODELS, Played

Play = Callable[..., Played]
ONE = ("--task", "create_plain")
SIX = ("--num-tasks", 6, "--concurrency", 6)
TWO_PROVIDERS = {"agent": "mistral/agent", "user": "openai/customer"}


@pytest.mark.parametrize(
    ("options", "models", "most"),
    [
        pytest.param(("--provider-limit", "openai=1"), MODELS, 1, id="one for both roles"),
        pytest.param(("--provider-limit", "openai=3"), MODELS, 3, id="three"),
        pytest.param(
            ("--provider-limit", "openai=1", "--provider-limit", "mistral=1"), TWO_PROVIDERS, 2, id="one for each"
        ),
    ],
)
def test_concurrent_requests_to_a_provider_are_limited(
    play: Play, options: tuple[str, ...], models: dict[str, str], most: int
) -> None:
    played = play(*SIX, *options, models=models, latency=0.02, user=[Dropped(), Dropped()])
    assert played.summary["outcomes"] == {"solved": 6}
    assert 1 <= played.most_at_once <= most
    assert play(*SIX, models=models, latency=0.02).most_at_once > most


def test_requests_per_minute_to_a_provider_are_limited(play: Play) -> None:
    """With one a minute, the second request is held back when the episodes' time is over."""
    played = play(*SIX, "--provider-rate", "openai=1", "--timeout", 1)
    assert len(played.asked) <= 1
    assert played.summary["outcomes"] == {"infrastructure_error": 6}
    played = play(*SIX, "--provider-rate", "openai=60000", "--timeout", 20)
    assert played.summary["outcomes"] == {"solved": 6}


@pytest.mark.parametrize(
    ("option", "word"),
    [
        (("--provider-limit", "opnai=1"), "no model of this run has that provider (did you mean 'openai'?)"),
        (("--provider-limit", "openai"), "should read PROVIDER=NUMBER"),
        (("--provider-limit", "openai=1.5"), "whole number"),
        (("--provider-rate", "openai=0"), "more than 0"),
        (("--call-timeout", "0"), "more than 0"),
        (("--turn-timeout", "-1"), "more than 0"),
    ],
)
def test_invalid_limits_are_refused(play: Play, option: tuple[str, ...], word: str) -> None:
    played = play(*ONE, *option)
    assert played.code != 0
    assert word in played.error
    assert played.asked == []


@pytest.mark.parametrize(
    ("options", "role", "answer", "why"),
    [
        pytest.param(("--call-timeout", 0.2, "--attempts", 1), "user", Stalled(), "no answer within 0.2 s", id="call"),
        pytest.param(("--turn-timeout", 0.3), "user", Stalled(), "no answer within the turn's 0.3 s", id="turn"),
        pytest.param(("--turn-timeout", 0.3), "user", Dropped(), "the turn's 0.3 s", id="turn of retries"),
        pytest.param(
            ("--timeout", 0.3), "user", Stalled(), "0.3 s passed while waiting for the user's model", id="episode, user"
        ),
        pytest.param(
            ("--timeout", 1.5),
            "agent",
            Stalled(),
            "1.5 s passed while waiting for the agent's model",
            id="episode, agent",
        ),
    ],
)
def test_a_deadline_while_waiting_for_a_model_is_an_infrastructure_error(
    play: Play, options: tuple[object, ...], role: str, answer: Answer, why: str
) -> None:
    played = play(*ONE, *options, **{role: answer})
    assert played.end == ("infrastructure_error", "infrastructure_error")
    assert why in played.record["error"]
    assert played.said[0][1] == "Hello! What can I do for you today?"  # what was said by then is kept


def test_a_deadline_at_any_other_time_is_a_failure(play: Play) -> None:
    """The agent's only call is held up by the latency fault, for longer than the episode has with this seed."""
    played = play(*ONE, "--fault", "latency=1", "--timeout", 0.5)
    assert played.end == ("timeout", "failed")


def test_the_deadline_of_a_run_keeps_finished_episodes(play: Play) -> None:
    options = ("--num-tasks", 2, "--concurrency", 1)
    played = play(*options, "--run-timeout", 1.5, agent=[None] * 3 + [Stalled()], name="long")
    kept = len(played.lines("episodes.jsonl"))
    assert (played.code, kept < 2) == (1, True)
    assert f"the run's 1.5 s have passed: {kept} of 2 episodes are kept" in played.error
    assert played.summary["coverage"] == kept / 2
    again = play(*options, "--resume", name="long")
    assert (again.code, again.summary["outcomes"]) == (0, {"solved": 2})
    assert len(again.lines("episodes.jsonl")) == 2
