"""Several judges: each is asked by itself, their rule decides, and disagreement is kept and reported."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tau2_core.api.options import run_arguments
from tau2_core.cli.app import app
from tau2_core.episode.setting import Setting
from tau2_core.model.judges import decided
from tau2_core.runs.options import read_options
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import Answer, Asked, ScriptedEndpoint, say
from typer.testing import CliRunner, Result

TASK = "create_plain"  # has one statement


@given(
    st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=5), st.sampled_from(["majority", "unanimous"])
)
def test_a_decision_is_one_that_missing_votes_cannot_change(votes: list[bool | None], rule: Any) -> None:
    met = decided(votes, rule)
    ends = [decided([end if vote is None else vote for vote in votes], rule) for end in (True, False)]
    assert met == (ends[0] if ends[0] == ends[1] else None)


def test_a_tie_decides_no() -> None:
    assert decided([True, False], "majority") is False
    assert decided([True, True, False], "majority") is True
    assert decided([True, True, False], "unanimous") is False


class Judges:
    """Judges whose last letter tells what they answer: `y` met, `n` not met, `x` prose after the probe."""

    def __init__(self, script: GoldScript) -> None:
        self.script = script
        self.asked: list[Asked] = []

    def __call__(self, asked: Asked) -> Answer:
        if "judge" not in asked.model:
            return self.script(asked)
        self.asked.append(asked)
        if asked.model.endswith("y") or "Nothing, thank you." in asked.messages[1]["content"]:
            return self.script.judge(asked)
        if asked.model.endswith("n"):
            return say(json.dumps({"verdicts": [{"number": 1, "reason": "it did not", "met": False}]}))
        return say("I would say so.")


@pytest.fixture
def played(litellm_ready: None, judged: Setting, tmp_path: Path) -> Callable[..., tuple[Result, Path]]:
    """Play a task with a judge's word in its reward: `played(["judge-y", "judge-n"], "--judge-rule", "unanimous")`."""

    def run(judges: Sequence[str], *options: str) -> tuple[Result, Path]:
        with ScriptedEndpoint(Judges(GoldScript.of(judged))) as endpoint:
            args = json.dumps({"api_base": endpoint.url, "api_key": "none"})
            told = [part for judge in judges for part in ("--judge-model", f"openai/{judge}")]
            where = ["--pack", str(judged.pack.folder), "--out", str(tmp_path), "--name", "r"]
            command = ["run", "mock", "--task", TASK, *told, "--judge-args", args, *where, *options]
            done = CliRunner().invoke(app, command, catch_exceptions=False)
        assert endpoint.failures == []
        return done, tmp_path / "r"

    return run


@pytest.mark.parametrize(
    ("judges", "rule", "outcome"),
    [
        (["judge-y", "judge-y", "judge-n"], "majority", "solved"),
        (["judge-y", "judge-y", "judge-n"], "unanimous", "failed"),
        (["judge-y", "judge-n"], "majority", "failed"),
        (["judge-y", "judge-y", "judge-x"], "majority", "solved"),
        (["judge-y", "judge-y", "judge-x"], "unanimous", "judge_error"),
        (["judge-n", "judge-x"], "unanimous", "failed"),
    ],
)
def test_the_rule_decides(
    played: Callable[..., tuple[Result, Path]], judges: list[str], rule: str, outcome: str
) -> None:
    _, folder = played(judges, "--judge-rule", rule)
    config = json.loads((folder / "run.json").read_text())
    assert config["judge_rule"] == rule
    assert [config["models"][role]["model"] for role in sorted(config["models"])] == [
        f"openai/{each}" for each in judges
    ]
    (grade,) = map(json.loads, (folder / "grades.jsonl").read_text().splitlines())
    assert grade["outcome"] == outcome
    (judgement,) = map(json.loads, (folder / "judgements.jsonl").read_text().splitlines())
    assert [vote["model"] for vote in judgement["votes"]] == [f"openai/{each}" for each in judges]
    assert judgement["model"] == " + ".join(f"openai/{each}" for each in judges) + f" ({rule})"
    assert judgement["usage"]["requests"] == sum(vote["usage"]["requests"] for vote in judgement["votes"])
    if outcome == "judge_error":
        assert "openai/judge-x: 1" not in judgement["error"]
        assert "too few judges answered to decide: openai/judge-x: not JSON" in judgement["error"]


def test_one_judge_is_as_before(played: Callable[..., tuple[Result, Path]]) -> None:
    _, folder = played(["judge-y"], "--judge-rule", "unanimous")
    (judgement,) = map(json.loads, (folder / "judgements.jsonl").read_text().splitlines())
    assert "votes" not in judgement
    assert judgement["model"] == "openai/judge-y"
    assert "judge_rule" not in json.loads((folder / "run.json").read_text())


def test_an_unusable_judge_among_others_is_named_before_anything_is_played(
    litellm_ready: None, judged: Setting, tmp_path: Path
) -> None:
    def script(asked: Asked) -> Answer:
        return say("Good.") if asked.model.endswith("x") else GoldScript([]).judge(asked)

    with ScriptedEndpoint(script) as endpoint:
        args = json.dumps({"api_base": endpoint.url, "api_key": "none"})
        told = ["--judge-model", "openai/judge-y", "--judge-model", "openai/judge-x", "--judge-args", args]
        done = CliRunner().invoke(app, ["run", "mock", *told, "--out", str(tmp_path), "--name", "r"])
    assert "the judge 'openai/judge-x' is not usable" in str(done.exception)
    assert not (tmp_path / "r").exists()


def test_judges_in_a_file_and_on_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("judge:\n- {model: a/1, args: {temperature: 0}}\n- {model: a/2, args: {top_p: 1}}\n")
    models = read_options(file, {"judge_args": ['{"seed": 1}']}).models()
    assert {role: (each.model, each.args) for role, each in models.items()} == {
        "judge": ("a/1", {"temperature": 0, "seed": 1}),
        "judge_2": ("a/2", {"top_p": 1, "seed": 1}),
    }
    other = read_options(file, {"judge_model": ["b/1"], "judge_rule": "unanimous"})
    assert list(other.models()) == ["judge"]
    assert other.judge.rule == "unanimous"
    given = run_arguments("mock", {"judge": ["a/1", {"model": "a/2", "args": {"top_p": 1}}], "judge_rule": "unanimous"})
    assert [each.model for each in given.options.models().values()] == ["a/1", "a/2"]
    assert given.options.judge.rule == "unanimous"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--judge-model", "a/b"] * 6, "at most 5 judges can decide together, not 6"),
        (["--judge-model", "a/b"] * 3 + ["--judge-args", "{}"] * 2, "once for all judges, or once for each of the 3"),
        (["--judge-args", "{}"], "give --judge-model too"),
    ],
)
def test_wrong_judges_are_refused(options: list[str], told: str) -> None:
    done = CliRunner().invoke(app, ["run", "mock", *options])
    assert told in str(done.exception)
