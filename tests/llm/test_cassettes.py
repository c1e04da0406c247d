"""Cassettes: what was exchanged is played again with no endpoint and no litellm, and something else is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tau2_core.episode.setting import Setting
from tau2_core.llm.cassette import Cassette
from tau2_core.model.llm import Completion, ModelError
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import Refusal, call, say

from .conftest import MODELS, Played

Play = Callable[..., Played]
Gym = Callable[..., CompletedProcess[str]]
CASSETTES = Path(__file__).parents[2] / "docs" / "cassettes"
ALL = {**MODELS, "judge": "openai/judge"}
NAMED = [option for role, model in ALL.items() for option in (f"--{role}-model", model)]
NO_LITELLM = "raise ImportError('a cassette needs no client')"


@pytest.fixture
def cassette(tmp_path: Path) -> Path:
    return tmp_path / "exchanges.jsonl"


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


def same(one: Path, other: Path, *files: str) -> bool:
    """Tell whether files hold the same lines; their order may differ where replies took time."""

    def lines(folder: Path, name: str) -> list[bytes]:
        return sorted((folder / name).read_bytes().splitlines())

    return all(lines(one, name) == lines(other, name) for name in files)


def test_a_run_is_played_again_to_the_letter(
    play: Play, replay: Callable[..., Path], judged: Setting, cassette: Path
) -> None:
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


def test_failures_are_played_again_too(play: Play, replay: Callable[..., Path], cassette: Path) -> None:
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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "No such file"),
        ('{"episode": "x"}\n', ":1: not an exchange"),
        ("hello\n", ":1: not an exchange"),
    ],
)
def test_what_is_no_cassette_is_refused(gym: Gym, cassette: Path, text: str | None, said: str) -> None:
    if text is not None:
        cassette.write_text(text)
    done = gym("run", "mock", *NAMED[:4], "--replay", cassette)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_a_cassette_is_not_overwritten(gym: Gym, cassette: Path) -> None:
    cassette.write_text("{}\n")
    done = gym("run", "mock", *NAMED[:4], "--record", cassette)
    assert done.returncode == 2
    assert "exists already; remove it, or use --replay" in done.stderr
    assert gym("run", "mock", *NAMED[:4], "--record", cassette, "--replay", cassette).returncode == 2


def test_the_documents_cassette_is_what_its_script_makes(tmp_path: Path) -> None:
    """If it is not: a prompt, or the mock pack, has changed; run the script."""
    subprocess.run([sys.executable, CASSETTES / "record.py", tmp_path / "mock.jsonl"], check=True, capture_output=True)
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
def test_whatever_is_asked_is_restored_and_nothing_else_passes(
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
