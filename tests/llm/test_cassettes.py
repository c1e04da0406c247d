"""Cassettes: a replayed run is identical, and what differs from the recording is named."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tau2_core import evaluate
from tau2_core.cli.app import app
from tau2_core.episode.setting import Setting
from tau2_core.llm.cassette import Cassette
from tau2_core.model.llm import Completion, ModelError
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import Refusal, ScriptedEndpoint, call, say
from typer.testing import CliRunner

from .conftest import MODELS, Played, models_of

Play = Callable[..., Played]
Gym = Callable[..., CompletedProcess[str]]
CASSETTES = Path(__file__).parents[2] / "examples" / "cassettes"
ALL = {**MODELS, "judge": "openai/judge"}
NAMED = [option for role, model in ALL.items() for option in (f"--{role}-model", model)]
NO_LITELLM = "raise ImportError('a cassette needs no client')"


@pytest.fixture
def replay(gym: Gym, cassette: Path, tmp_path: Path) -> Callable[..., Path]:
    """Play a cassette in a process that cannot import litellm; return the run's folder."""
    (tmp_path / "nothing").mkdir()
    (tmp_path / "nothing" / "litellm.py").write_text(NO_LITELLM)

    def run(*options: object, models: list[str] = NAMED, code: int = 0) -> Path:
        given = ["run", "mock", *models, *options, "--replay", cassette, "--name", "again", "--json"]
        done = gym(*given, paths=[tmp_path / "nothing"])
        assert done.returncode == code, done.stderr
        return tmp_path / "runs" / "again"

    return run


def test_arguments_of_a_program_are_compared_as_the_json_that_they_become(cassette: Path, tmp_path: Path) -> None:
    """Keys that are numbers, and tuples, come back from a file as texts and lists."""
    with ScriptedEndpoint(lambda _asked: say("###STOP###")) as endpoint:
        args = {"api_base": endpoint.url, "logit_bias": {50256: -100}, "stop": ("END",)}
        user = {"model": "endpoint/customer", "args": args}
        options: list[dict[str, Any]] = [{"record": cassette}, {"replay": cassette}]
        for how in options:
            run = evaluate("mock", agent="silent", user=user, tasks=["create_plain"], out=tmp_path / "runs", **how)
            assert [episode.record.termination for episode in run.episodes] == ["user_stop"]
    assert len(endpoint.asked) == 1


def same(one: Path, other: Path, *files: str) -> bool:
    """Tell whether files hold the same lines; their order may differ where replies took time."""

    def lines(folder: Path, name: str) -> list[bytes]:
        return sorted((folder / name).read_bytes().splitlines())

    return all(lines(one, name) == lines(other, name) for name in files)


def test_a_replayed_run_is_identical(play: Play, replay: Callable[..., Path], judged: Setting, cassette: Path) -> None:
    options = ("--num-tasks", 6, "--trials", 2, "--fault", "tool-error=0.2", "--pack", judged.pack.folder)
    secret = {role: {"api_key": "sk-12345", "extra_headers": {"X-Key": "sk-67890"}} for role in ALL}
    odd = [None, say("Hm."), call(("get_users", "[1"))]
    script = GoldScript.of(judged)
    played = play(*options, "--record", cassette, models=ALL, arguments=secret, agent=odd, script=script)
    assert played.summary["finished"] == 12
    assert "sk-" not in cassette.read_text()
    assert "127.0.0.1" not in cassette.read_text()
    again = replay(*options, "--concurrency", 1)
    assert same(played.folder, again, "episodes.jsonl", "grades.jsonl", "judgements.jsonl")


@pytest.mark.parametrize("provider", ["openai", "endpoint"])
def test_a_run_and_its_replay_are_comparable(
    play: Play, judged: Setting, cassette: Path, tmp_path: Path, provider: str
) -> None:
    """Although the replay has no address, no key, no price, and nobody who knows about seeds."""
    models = {**models_of(provider), "judge": f"{provider}/judge"}
    options = ("--num-tasks", 3, "--trials", 2, "--pack", judged.pack.folder)
    away = {"timeout": 9, "input_cost_per_token": 0.1, "output_cost_per_token": 0.1, "extra_headers": {"X-Key": "k-1"}}
    arguments: dict[str, Any] = {role: {"temperature": 0.5, **away} for role in models}
    script = GoldScript.of(judged)
    played = play(*options, "--record", cassette, models=models, arguments=arguments, script=script)
    assert played.code == 0, played.error
    named = [str(option) for option in (*options, "--replay", cassette, "--out", tmp_path, "--name", "again")]
    for role, model in models.items():
        named += [f"--{role}-model", model, f"--{role}-args", '{"temperature": 0.5}']
    again = CliRunner().invoke(app, ["run", "mock", *named], catch_exceptions=False)
    assert again.exit_code == 0, again.output
    for runs in ([played.folder, tmp_path / "again"], [tmp_path / "again", played.folder]):
        compared = CliRunner().invoke(app, ["compare", *map(str, runs), "--json"], catch_exceptions=False)
        assert compared.exit_code == 0, compared.output
        found = json.loads(compared.stdout)
        assert (found["difference"]["value"], found["changed"], found["ignored"]) == (0.0, [], [])
        assert not [each for each in found["differs"] if not each["name"].startswith("models.")]


def test_failures_are_replayed_too(play: Play, replay: Callable[..., Path], cassette: Path) -> None:
    options = ("--num-tasks", 3, "--concurrency", 1)
    too_long = Refusal(400, code="context_length_exceeded")
    faults = {"agent": [None, too_long], "user": [None, None, Refusal(429, headers={"Retry-After": "301"})]}
    played = play(*options, "--record", cassette, **faults)
    assert played.summary["outcomes"] == {"agent_error": 1, "infrastructure_error": 1, "solved": 1}
    again = replay(*options, models=NAMED[:4])
    assert same(played.folder, again, "episodes.jsonl", "grades.jsonl")


def edited(cassette: Path, edit: Callable[[list[dict[str, Any]]], None]) -> None:
    lines = [json.loads(line) for line in cassette.read_bytes().splitlines()]
    edit(lines)
    cassette.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def another_wish(lines: list[dict[str, Any]]) -> None:
    """Change what the customer said first: on the cassette, the agent was asked something else then."""
    said = next(line for line in lines if line["role"] == "user" and line["number"] == 0)
    said["completion"]["message"]["content"] = "⟦create_plain⟧ Something else."


def without_an_exchange(lines: list[dict[str, Any]]) -> None:
    lines.remove(next(line for line in lines if (line["role"], line["number"]) == ("agent", 1)))


@pytest.mark.parametrize(
    ("options", "edit", "said"),
    [
        pytest.param((), another_wish, 'create_plain#0, agent, exchange 0: messages[2].content was "⟦', id="message"),
        pytest.param((), without_an_exchange, "agent, exchange 1: not on the cassette", id="missing"),
        pytest.param(("--seed", 1), list, "user, exchange 0: options.seed was 626729; now 140891", id="seed"),
        pytest.param(
            ("--user-args", '{"temperature": 1}'), list, "args.temperature was (absent); now 1", id="arguments"
        ),
        pytest.param(("--user-model", "openai/other"), list, "model was 'openai/customer'; now", id="model"),
    ],
)
def test_the_first_difference_is_named(
    play: Play,
    replay: Callable[..., Path],
    cassette: Path,
    options: tuple[Any, ...],
    edit: Callable[[list[dict[str, Any]]], None],
    said: str,
) -> None:
    play("--task", "create_plain", "--record", cassette)
    edited(cassette, edit)
    folder = replay("--task", "create_plain", *options, models=NAMED[:4], code=1)
    record = json.loads((folder / "episodes.jsonl").read_text())
    assert record["termination"] == "infrastructure_error"
    assert record["error"].startswith(f"cassette: {cassette}: create_plain#0, ")
    assert said in record["error"]


def test_the_docs_cassette_equals_the_output_of_its_script(litellm_ready: None, tmp_path: Path) -> None:
    """If it is not: a prompt, or the mock pack, has changed; run the script."""
    runpy.run_path(str(CASSETTES / "record.py"))["record"](tmp_path / "mock.jsonl")
    assert (tmp_path / "mock.jsonl").read_bytes() == (CASSETTES / "mock.jsonl").read_bytes()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)
MESSAGES = st.lists(st.dictionaries(st.sampled_from(["role", "content", "x"]), JSON), max_size=4)
REQUESTS = st.lists(st.fixed_dictionaries({"model": JSON, "tools": JSON, "messages": MESSAGES}), min_size=1, max_size=4)


@settings(max_examples=50)
@given(REQUESTS, st.data())
def test_any_recorded_request_is_found_and_no_other(
    tmp_path_factory: pytest.TempPathFactory, requests: list[dict[str, Any]], data: st.DataObject
) -> None:
    file = tmp_path_factory.mktemp("cassette") / "c.jsonl"
    recording = Cassette(file, replaying=False)
    for number, request in enumerate(requests):
        recording.record(("e", "agent", number), request, Completion(message={"content": str(number)}))
    for number in data.draw(st.permutations(range(len(requests)))):
        playing = Cassette(file, replaying=True)  # one that has seen nothing of what was before
        assert playing.play(("e", "agent", number), requests[number]).message == {"content": str(number)}
        other = {**requests[number], "messages": [*requests[number]["messages"], {"role": "user"}]}
        with pytest.raises(ModelError, match=r"messages\[\d+\] "):
            playing.play(("e", "agent", number), other)


def test_true_is_not_one(tmp_path: Path) -> None:
    """Python takes them for equal; JSON, which the cassette holds, does not."""
    file = tmp_path / "c.jsonl"
    recording = Cassette(file, replaying=False)
    requests: list[dict[str, Any]] = [
        {"model": "m", "tools": tools, "messages": [{"x": message}]}
        for tools, message in ((1, 1), (True, 1), (True, True))
    ]
    for number, request in enumerate(requests):
        recording.record(("e", "agent", number), request, Completion(message={"content": str(number)}))
    for number, request in enumerate(requests):
        for other in requests:
            playing = Cassette(file, replaying=True)
            if other is request:
                assert playing.play(("e", "agent", number), other).message == {"content": str(number)}
            else:
                with pytest.raises(ModelError, match=r"was (1|True); now (1|True)"):
                    playing.play(("e", "agent", number), other)
