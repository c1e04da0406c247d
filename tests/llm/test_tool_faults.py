"""`--fault`: tool calls are disturbed at a seeded rate, by the built-in plugin as by any other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tau2_core.testing.scripted_endpoint import say

from .conftest import Played

Play = Callable[..., Played]
STOP = "###STOP###"


def results(played: Played) -> list[dict[str, Any]]:
    """Return the results of all calls, the tasks in one order whichever ended first."""
    return [
        message
        for record in sorted(played.lines("episodes.jsonl"), key=lambda record: record["task_id"])
        for message in record["messages"]
        if message["role"] == "tool"
    ]


def test_a_failing_tool_never_reaches_the_world(play: Play) -> None:
    quiet = play("--num-tasks", 4)
    played = play("--num-tasks", 4, "--fault", "tool-error=1", "--max-errors", 50)
    assert all(result["error"] and result["skipped"] for result in results(played))
    assert all("not available at the moment; try again" in result["content"] for result in results(played))
    assert played.summary["tool_errors"] == played.summary["tool_calls"] == quiet.summary["tool_calls"]
    starts = {record["digests"]["agent"] for record in play("--num-tasks", 4, user=say(STOP)).lines("episodes.jsonl")}
    assert {record["digests"]["agent"] for record in played.lines("episodes.jsonl")} == starts


def test_a_truncated_result_is_cut_off_but_done(play: Play) -> None:
    quiet, played = play("--num-tasks", 4), play("--num-tasks", 4, "--fault", "truncated=1")
    assert played.summary["outcomes"] == {"solved": 4}
    pairs = list(zip(results(quiet), results(played), strict=True))
    assert any(len(whole["content"]) > 200 for whole, _ in pairs)
    for whole, cut in pairs:
        long = len(whole["content"]) > 200
        assert cut["content"] == (whole["content"][:200] + " …[cut off]" if long else whole["content"])


def test_latency_changes_nothing_but_the_time(play: Play) -> None:
    quiet, played = play("--task", "create_plain"), play("--task", "create_plain", "--fault", "latency=0.5")
    assert quiet.record == played.record


def test_the_rate_is_seeded_and_about_right(play: Play) -> None:
    options = ("--num-tasks", 9, "--trials", 2, "--max-errors", 50, "--fault", "tool-error=0.4")
    one, other = play(*options, "--concurrency", 1), play(*options, "--concurrency", 8)
    by_slot = {(record["task_id"], record["trial"]): record for record in one.lines("episodes.jsonl")}
    assert by_slot == {(record["task_id"], record["trial"]): record for record in other.lines("episodes.jsonl")}
    assert 0.2 < one.summary["tool_errors"] / one.summary["tool_calls"] < 0.6


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("tool-eror=1", "did you mean 'tool-error'?"),
        ("latency", "should read NAME=RATE"),
        ("latency=2", "between 0 and 1"),
        ("latency=nan", "between 0 and 1"),
    ],
)
def test_invalid_faults_are_refused(play: Play, fault: str, said: str) -> None:
    played = play("--fault", fault, models={})
    assert played.code != 0
    assert said in played.error
