"""A wrong set-up stops a run before its second episode, and a run that came to nothing is a failure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tau2_core.testing.scripted_endpoint import Answer, Asked, Refusal, say

from .conftest import Played, models_of

Play = Callable[..., Played]
ENDPOINT = models_of("endpoint")
MANY = ("--trials", "3", "--attempts", "1")


@pytest.mark.parametrize("role", ["agent", "user"])
@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (Refusal(404, "The model `agnet` does not exist"), "OPENAI_API_KEY"),
        (Refusal(401), "OPENAI_API_KEY"),
        (Refusal(400, "temperature must be 1"), "temperature must be 1"),
    ],
)
def test_an_error_common_to_all_episodes_stops_after_the_first(
    play: Play, role: str, refusal: Refusal, said: str
) -> None:
    played = play(*MANY, models=ENDPOINT, **{role: refusal})
    assert played.code == 1
    assert played.summary["finished"] == 1
    assert f"the {role}'s model endpoint/" in played.error
    assert said in played.error
    assert "--resume" in played.error


def test_where_nothing_answers(play: Play) -> None:
    arguments = {role: {"api_base": "http://127.0.0.1:9/v1"} for role in ENDPOINT}
    played = play(*MANY, models=ENDPOINT, arguments=arguments)
    assert played.code == 1
    assert played.summary["finished"] == 1
    assert "at http://127.0.0.1:9/v1" in played.error
    assert "start it, or correct the address" in played.error


def test_a_cassette_that_does_not_fit(play: Play, tmp_path: Path) -> None:
    cassette = tmp_path / "cassette.jsonl"
    one = ("--task", "create_plain")
    assert play(*one, "--record", cassette, models=ENDPOINT).code == 0
    played = play(*MANY, "--seed", 7, "--replay", cassette, models=ENDPOINT)
    assert played.code == 1
    assert played.summary["finished"] == 1
    assert "cassette" in played.error


def test_infrastructure_errors_of_one_kind_in_a_row_stop_a_run(play: Play) -> None:
    def script(asked: Asked) -> Answer:
        return Refusal(500)

    options = (*MANY, "--concurrency", 1, "--max-infrastructure-errors", 2)
    played = play(*options, models=ENDPOINT, script=script)
    assert played.code == 1
    assert played.summary["finished"] == 2
    assert "2 episodes in a row ended with the same infrastructure error (server: " in played.error


def test_infrastructure_errors_of_different_kinds_do_not_stop_a_run(play: Play) -> None:
    options = ("--task", "create_plain", "--trials", 4, "--concurrency", 1, "--attempts", 1)
    kinds = [None, Refusal(500), Refusal(429), Refusal(500), Refusal(429)]
    played = play(*options, "--max-infrastructure-errors", 2, models=ENDPOINT, agent=kinds)
    assert played.summary["finished"] == 4


def test_a_success_resets_the_count_of_infrastructure_errors(play: Play) -> None:
    options = ("--task", "create_plain", "--trials", 4, "--concurrency", 1, "--attempts", 1)
    played = play(*options, "--max-infrastructure-errors", 2, models=ENDPOINT, agent=_every_other_episode())
    assert (played.code, played.summary["finished"]) == (0, 4)
    assert played.summary["coverage"] == 0.5
    least = play(*options, "--min-coverage", 0.6, models=ENDPOINT, agent=_every_other_episode())
    assert least.code == 1
    assert "coverage 0.5000 is below --min-coverage 0.6" in least.error


def _every_other_episode() -> list[Any]:
    """The agent asks twice in an episode of this task; the first request of the second and the fourth fails."""
    return [None, None, None, Refusal(500), None, None, None, Refusal(500)]


@pytest.mark.parametrize("options", [("--min-coverage", "1.5"), ("--max-infrastructure-errors", "0")])
def test_invalid_stopping_rules_are_refused(play: Play, options: tuple[str, str]) -> None:
    played = play(*options, models=ENDPOINT, script=lambda _asked: say("!"))
    assert played.code != 0
    assert options[0] in played.error
    assert not played.folder.exists()
