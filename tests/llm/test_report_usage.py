"""What `tau2-gym report` says of models: requests, tokens and dollars by role, the judge's too; unknown is never 0."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tau2_core.cli.app import app
from tau2_core.testing.scripted_endpoint import PRICED, Asked, Reply, say
from typer.testing import CliRunner

from .conftest import MODELS, Played

ALL = {**MODELS, "judge": "openai/judge"}
TASK = "create_plain"  # which has a statement for the judge, outside its reward
Play = Callable[..., Played]


def prices(dollars: float) -> dict[str, float]:
    return {"input_cost_per_token": dollars, "output_cost_per_token": dollars}


def report(played: Played) -> tuple[dict[str, Any], str]:
    """Return a run's figures, and the lines for people as one text."""
    assert played.code == 0, played.error
    shown = CliRunner().invoke(app, ["report", str(played.folder)], catch_exceptions=False).stdout
    (found,) = json.loads(CliRunner().invoke(app, ["report", str(played.folder), "--json"]).stdout)
    return found, shown


def test_usage_is_reported_for_every_role_and_the_judge(play: Play) -> None:
    dollars = {"agent": 0.001, "user": 0.002, "judge": 0.003}
    arguments = {role: prices(each) for role, each in dollars.items()}
    played = play("--task", TASK, "--trials", 2, "--judge-all", models=ALL, arguments=arguments)
    found, shown = report(played)
    total = 0.0
    for role, price in dollars.items():
        requests = len(played.of(role)) - (role == "judge")  # which was tried out before
        cost = requests * price * PRICED["total_tokens"]
        used = found["usage"][role]
        assert requests > 0
        assert (used["requests"], used["prompt_tokens"], used["completion_tokens"]) == (
            requests,
            requests * PRICED["prompt_tokens"],
            requests * PRICED["completion_tokens"],
        )
        assert used["cost"] == pytest.approx(cost)
        assert played.summary["usage"][role]["cost"] == pytest.approx(cost)
        assert any(f"{cost:.4f}" in line for line in shown.splitlines() if line.startswith(role))
        total += cost
    assert found["spread"]["dollars"]["mean"] == pytest.approx(total / 2)


def test_an_unknown_price_is_shown_as_unknown(play: Play) -> None:
    arguments = {"user": prices(0.002)}
    found, shown = report(play("--task", TASK, "--judge-all", models=ALL, arguments=arguments))
    assert found["usage"]["agent"]["cost"] is found["usage"]["judge"]["cost"] is None
    assert found["usage"]["user"]["cost"] > 0
    assert found["usage"]["agent"]["prompt_tokens"] > 0
    assert "dollars" not in found["spread"]
    rows = {line.split()[0]: line.split()[-1] for line in shown.splitlines() if line.startswith(("agent", "judge"))}
    assert rows == {"agent": "unknown", "judge": "unknown"}


def test_tokens_not_counted_by_the_provider_are_unknown(play: Play, gold: Callable[[str], Any]) -> None:
    def uncounted(asked: Asked) -> Reply:
        answer: Reply = gold("mock")(asked)
        return replace(answer, usage=None) if "agent" in asked.model else answer

    found, _ = report(play("--task", TASK, script=uncounted, arguments={"agent": prices(0.001)}))
    assert found["usage"]["agent"]["requests"] > 0
    assert {found["usage"]["agent"][name] for name in ("prompt_tokens", "completion_tokens", "cost")} == {None}
    assert found["usage"]["user"]["prompt_tokens"] > 0


def test_a_judge_that_was_never_asked_has_no_usage(play: Play) -> None:
    found, _ = report(play("--task", TASK, models=ALL))
    nothing = {"requests": 0, "prompt_tokens": 0, "completion_tokens": 0, "cost": 0.0, "cut_off": 0}
    assert found["usage"]["judge"] == {**nothing, "finish_reasons": {}}


def test_answers_that_were_cut_off_are_counted_by_role(play: Play) -> None:
    """Also those that nobody has got: an empty one that was asked for again, and a verdict that was malformed."""
    cut = {
        "agent": [replace(say(""), finish_reason="length"), replace(say("Let me se"), finish_reason="MAX_TOKENS")],
        "user": [None, replace(say("Go on, ple"), finish_reason="eos")],
        "judge": [None, replace(say('{"verd'), finish_reason="length")],
    }
    played = play("--task", TASK, "--judge-all", models=ALL, **cut)
    found, shown = report(played)
    assert {role: used["cut_off"] for role, used in found["usage"].items()} == {"agent": 2, "user": 0, "judge": 1}
    reasons = {role: used["finish_reasons"] for role, used in found["usage"].items()}
    assert reasons["judge"] == {"length": 1, "stop": 1}
    assert (reasons["agent"]["length"], reasons["agent"]["MAX_TOKENS"], reasons["user"]["eos"]) == (1, 1, 1)
    for role, counts in reasons.items():
        assert sum(counts.values()) == found["usage"][role]["requests"]
        assert f"answers of the {role} ended by: {', '.join(f'{name} {n}' for name, n in counts.items())}\n" in shown
    assert {role: used["finish_reasons"] for role, used in played.summary["usage"].items()} == reasons
    assert "answers cut off by the token limit: agent 2, judge 1\n" in played.output
    episode = CliRunner().invoke(app, ["show", str(played.folder), f"{TASK}#0"], catch_exceptions=False).stdout
    assert episode.count("cut off by the token limit") == 1


def test_older_runs_have_no_finish_reasons(play: Play) -> None:
    played = play("--task", TASK)
    file = played.folder / "episodes.jsonl"
    record = json.loads(file.read_text(encoding="utf-8"))
    for usage in record["usage"].values():
        del usage["cut_off"], usage["finish_reasons"]
    file.write_text(json.dumps(record) + "\n", encoding="utf-8")
    found, shown = report(played)
    assert found["usage"]["agent"]["cut_off"] is found["usage"]["agent"]["finish_reasons"] is None
    assert "answers of" not in shown
