"""What models used, by role, call and episode; an unknown price is null, and the limit on cost keeps."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tau2_core.episode.setting import Setting
from tau2_core.model.episodes import Usage
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import Answer, Asked, Reply, say

from .conftest import MODELS, Played

Play = Callable[..., Played]
ONE = ("--task", "create_plain")
PRICES = {"input_cost_per_token": 0.001, "output_cost_per_token": 0.01}
EACH = 100 * 0.001 + 10 * 0.01  # of an answer of the scripted endpoint
TOKENS = (("prompt_tokens", 100), ("completion_tokens", 10))
PRICED = {"agent": PRICES, "user": PRICES, "judge": PRICES}


def test_costs_are_reported_by_role_call_and_episode(play: Play, judged: Setting) -> None:
    models = {**MODELS, "judge": "openai/judge"}
    options = (*ONE, "--pack", judged.pack.folder, "--trials", 2, "--concurrency", 1)
    played = play(*options, script=GoldScript.of(judged), models=models, arguments=PRICED)
    for record in played.lines("episodes.jsonl"):
        for role, official in (("agent", "assistant"), ("user", "user")):
            used = record["usage"][role]
            calls = [message for message in record["messages"][1:] if message["role"] == official]
            assert used["requests"] == len(calls)
            assert [message["cost"] for message in calls] == [pytest.approx(EACH)] * len(calls)
            assert [message["usage"] for message in calls] == [{"prompt_tokens": 100, "completion_tokens": 10}] * len(
                calls
            )
            assert used["cost"] == pytest.approx(EACH * len(calls))
            assert (used["prompt_tokens"], used["completion_tokens"]) == (100 * len(calls), 10 * len(calls))
    counts = {role: usage["requests"] for role, usage in played.summary["usage"].items()}
    assert counts == {"agent": len(played.of("agent")), "user": len(played.of("user")), "judge": 2}
    assert played.summary["usage"]["judge"]["cost"] == pytest.approx(2 * EACH)


def test_an_unknown_price_is_null_everywhere_and_never_0(play: Play) -> None:
    played = play(*ONE, arguments={"agent": PRICES})
    used = played.record["usage"]
    assert used["agent"]["cost"] == pytest.approx(EACH * used["agent"]["requests"])
    assert "cost" not in used["user"]  # a record leaves null out
    assert played.summary["usage"]["user"]["cost"] is None
    assert all("cost" not in message for message in played.record["messages"] if message["role"] == "user")


def test_a_model_listed_by_litellm_has_its_price(play: Play) -> None:
    played = play(*ONE, models={**MODELS, "agent": "openai/gpt-4.1"})
    used = played.record["usage"]["agent"]
    assert used["cost"] == pytest.approx(used["requests"] * (100 * 2e-6 + 10 * 8e-6))


def test_uncounted_tokens_make_the_cost_unknown(play: Play, gold: Callable[[str], GoldScript]) -> None:
    def uncounted(asked: Asked) -> Answer:
        return Reply(gold("mock")(asked).message, usage=None)

    played = play(*ONE, script=uncounted, arguments=PRICED)
    assert played.summary["usage"]["agent"]["cost"] is None
    assert all("usage" not in message for message in played.record["messages"])


def test_an_empty_answer_costs_too(play: Play) -> None:
    played = play(*ONE, arguments=PRICED, agent=[say("")])
    assert played.record["usage"]["agent"]["requests"] == len(played.of("agent"))
    assert played.record["usage"]["agent"]["cost"] == pytest.approx(EACH * len(played.of("agent")))


def test_no_episode_starts_once_max_cost_is_spent_even_after_resuming(play: Play) -> None:
    options = ("--num-tasks", 4, "--concurrency", 1, "--max-cost", 1.5)
    played = play(*options, arguments=PRICED, name="dear")
    assert played.code == 1
    assert "--max-cost 1.5 is reached" in played.error
    costs = [sum(used["cost"] for used in record["usage"].values()) for record in played.lines("episodes.jsonl")]
    assert sum(costs[:-1]) < 1.5 <= sum(costs)
    assert played.summary["coverage"] == len(costs) / 4
    assert f"mean reward 1.0000 over the {len(costs)} played, {len(costs) / 4:.4f} over all 4 · " in played.output
    assert billed(played) == pytest.approx(sum(costs), abs=1e-4)
    again = play(*options, "--resume", arguments=PRICED, name="dear")
    assert (again.code, again.asked) == (1, [])
    assert "episodes/s" not in again.output
    assert billed(again) == billed(played)
    more = play(*options[:-1], 1000, "--resume", arguments=PRICED, name="dear")
    assert (more.code, more.summary["coverage"]) == (0, 1.0)
    now, seconds = 4 - len(costs), more.summary["duration_seconds"]
    assert f"{seconds:.2f} s ({now / seconds:.0f} episodes/s), {len(costs)} episodes taken over" in more.output
    assert billed(more) > billed(played)


def billed(played: Played) -> float:
    """Return the dollars of a run as the command printed them, which are the sum of those of each role."""
    found = re.search(r"^cost \$(\S+) \(agent \$(\S+), user \$(\S+)\)$", played.output, re.MULTILINE)
    assert found is not None, played.output
    total, agent, user = map(float, found.groups())
    assert total == pytest.approx(agent + user, abs=1e-4)
    return total


def test_the_summary_says_where_a_price_is_unknown(play: Play) -> None:
    played = play(*ONE, arguments={"agent": PRICES})
    assert f"cost unknown (agent ${EACH * len(played.of('agent')):.4f}, user unknown)" in played.output
    assert "cost unknown: no price of these models is known" in play(*ONE, name="unpriced").output


def test_max_cost_with_an_unknown_price_is_refused(play: Play) -> None:
    played = play(*ONE, "--max-cost", 1)
    assert played.code != 0
    assert "price of openai/agent is not known" in played.error
    assert played.asked == []


def test_a_limit_whose_cost_becomes_unknown_stops_the_run(play: Play, gold: Callable[[str], GoldScript]) -> None:
    def uncounted(asked: Asked) -> Answer:
        return Reply(gold("mock")(asked).message, usage=None)

    options = ("--num-tasks", 3, "--concurrency", 1, "--max-cost", 100)
    played = play(*options, script=uncounted, arguments=PRICED)
    assert played.code == 1
    assert "price of a model is unknown" in played.error
    assert played.summary["finished"] == 1


PARTS = st.builds(Usage, requests=st.integers(0, 5), cost=st.none() | st.floats(0, 9, allow_subnormal=False))


@settings(max_examples=50)
@given(st.lists(PARTS))
def test_a_sum_is_known_only_if_every_part_is(parts: list[Any]) -> None:
    total = Usage.nothing()
    for part in parts:
        total.add(part)
    assert total.requests == sum(part.requests for part in parts)
    assert (total.cost is None) == any(part.cost is None for part in parts)
