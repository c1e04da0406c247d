"""Models in runs with workers: costs, limits, failures and cassettes are those of the run, not of a worker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tau2_core.episode.setting import Setting
from tau2_core.testing.scripted_endpoint import Refusal, Stalled
from tau2_core.testing.token_template import ByteTemplate

from tests.executors.runs import assert_same, by_slot

from .conftest import Played, models_of

Play = Callable[..., Played]
ENDPOINT = models_of("endpoint")
PROCESSES = ("--executor", "processes", "--workers")


def test_workers_give_the_same_run_as_one_process(play: Play, judged: Setting, tmp_path: Path) -> None:
    models = ENDPOINT | {"judge": "endpoint/judge"}
    options = ("--pack", judged.pack.folder, "--judge-all", "--num-tasks", 9, "--trials", 2)
    one = play(*options, "--record", tmp_path / "one.jsonl", models=models)
    two = play(*options, "--record", tmp_path / "two.jsonl", *PROCESSES, 2, models=models)
    assert (one.code, two.code) == (0, 0), two.error
    assert_same(one.folder, two.folder)
    assert by_slot(one.folder / "judgements.jsonl") == by_slot(two.folder / "judgements.jsonl")
    exchanges = [sorted((tmp_path / name).read_bytes().splitlines()) for name in ("one.jsonl", "two.jsonl")]
    assert exchanges[0] == exchanges[1]
    alone = play(*options, "--replay", tmp_path / "one.jsonl", models=models)
    replayed = play(*options, "--replay", tmp_path / "two.jsonl", *PROCESSES, 4, models=models)
    assert (replayed.code, replayed.asked) == (0, [])
    assert_same(alone.folder, replayed.folder)


def test_a_provider_limit_applies_to_all_workers_together(play: Play) -> None:
    limited = play(*PROCESSES, 2, "--num-tasks", 6, "--provider-limit", "endpoint=1", models=ENDPOINT, latency=0.002)
    assert limited.summary["outcomes"] == {"solved": 6}
    assert limited.most_at_once == 1


def test_max_cost_applies_to_all_workers_together(play: Play) -> None:
    price = {"input_cost_per_token": 0, "output_cost_per_token": 1}
    options = (*PROCESSES, 2, "--concurrency", 2, "--trials", 3, "--max-cost", 1.5)
    played = play(*options, models=ENDPOINT, arguments={"agent": price, "user": price}, name="dear")
    assert played.code == 1
    assert "--max-cost 1.5 is reached" in played.error
    assert 0 < played.summary["finished"] < played.summary["slots"]
    again = play(*options, "--resume", models=ENDPOINT, arguments={"agent": price, "user": price}, name="dear")
    assert (again.code, again.asked) == (1, [])


def test_a_model_that_is_refused_costs_one_episode(play: Play) -> None:
    played = play(*PROCESSES, 2, "--attempts", 1, models=ENDPOINT, agent=Refusal(401))
    assert (played.code, played.summary["finished"]) == (1, 1)
    assert "the agent's model endpoint/" in played.error
    assert "OPENAI_API_KEY" in played.error


def test_a_providers_rate_is_that_of_all_workers(play: Play) -> None:
    """One request a minute: the first episode asks once and then waits until its time is up; no other begins."""
    options = (*PROCESSES, 2, "--num-tasks", 6, "--provider-rate", "endpoint=1", "--timeout", 1)
    slow = play(*options, models=ENDPOINT)
    assert len(slow.asked) <= 1
    assert set(slow.summary["outcomes"]) == {"infrastructure_error"}


def test_a_runs_deadline_ends_its_workers(play: Play) -> None:
    options = (*PROCESSES, 2, "--num-tasks", 4)
    played = play(*options, "--run-timeout", 4, models=ENDPOINT, agent=[None] * 9 + [Stalled()] * 40, name="long")
    assert played.code == 1
    assert "the run's 4 s have passed: " in played.error
    assert len(played.lines("grades.jsonl") if (played.folder / "grades.jsonl").exists() else []) < 4
    again = play(*options, "--resume", models=ENDPOINT, name="long")
    assert (again.code, again.summary["outcomes"]) == (0, {"solved": 4}), again.error


def test_workers_keep_the_tokens_that_one_process_keeps(play: Play) -> None:
    options = ("--num-tasks", 6, "--token-traces")
    one = play(*options, models=ENDPOINT, template=ByteTemplate())
    two = play(*options, *PROCESSES, 2, models=ENDPOINT, template=ByteTemplate())
    assert (one.code, two.code) == (0, 0), two.error
    tokens = [sorted((played.folder / "tokens.jsonl").read_bytes().splitlines()) for played in (one, two)]
    assert tokens[0] == tokens[1]
    assert len(tokens[0]) > 12
