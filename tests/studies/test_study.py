"""Studies over a scripted endpoint: known shares, runs that are resumed, judges that grade the same conversations."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tau2_core.api.study.declaration import _ROLE_PARTS, FACTORS
from tau2_core.errors import RunError, UsageError
from tau2_core.runs.options import Options
from tau2_core.testing.scripted_endpoint import ScriptedEndpoint

from tests.forked import Forks
from tests.studies.conftest import TASKS, Script, command, reported

pytestmark = pytest.mark.domain("mock")
Write = Callable[..., Path]
PROMPTS = {"user_prompt": ["default", "careful"]}
GRID = {**PROMPTS, "persona": ["none", "terse"], "seed": [1, 2]}


def test_a_factor_explains_its_known_share(write: Write, script: Script) -> None:
    """The careful customer leaves half of the tasks: 1/3 is the prompt's, 1/3 the tasks', 1/3 of both together."""
    script.left = TASKS[:2]
    report = reported(write(GRID))
    assert (report["tasks"], report["trials"], report["episodes"]) == (4, 2, 64)
    assert report["rate"]["value"] == 0.75
    prompt = report["factors"]["user_prompt"]
    assert {level: rate["value"] for level, rate in prompt["levels"].items()} == {"default": 1.0, "careful": 0.5}
    assert prompt["spread"] == 0.5
    assert prompt["share"] == pytest.approx(1 / 3)
    assert report["tasks_share"] == pytest.approx(1 / 3)
    assert report["tasks_and_factors"] == {
        "user_prompt": pytest.approx(1 / 3),
        "persona": pytest.approx(0),
        "seed": pytest.approx(0),
    }
    for name in ("persona", "seed"):
        nothing = report["factors"][name]
        assert (nothing["share"], nothing["beyond_chance"]) == (0, {"value": 0, "low": 0, "high": 0})
    assert report["rest"] == pytest.approx(0)
    assert prompt["beyond_chance"]["low"] == 0  # with four tasks, of which two differ, chance is not excluded
    assert [run["levels"] for run in report["runs"]][:2] == [
        {"user_prompt": "default", "persona": "none", "seed": "1"},
        {"user_prompt": "default", "persona": "none", "seed": "2"},
    ]


def test_what_differs_in_every_task_is_more_than_chance(write: Write, script: Script, tmp_path: Path) -> None:
    script.left = TASKS
    file = write(PROMPTS)
    assert reported(file)["factors"]["user_prompt"]["beyond_chance"] == {"value": 1, "low": 1, "high": 1}
    shown = command("study", tmp_path / "runs" / "grid").output
    assert re.search(r"user_prompt +2 +1\.000 +100\.0% +100\.0% \[100\.0%, 100\.0%\]", shown)
    assert "user_prompt = careful  0.000 [0.000, " in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_study_that_was_killed_goes_on_and_reports_the_same(write: Write, script: Script, tmp_path: Path) -> None:
    script.left = TASKS[:1]
    file = write({**PROMPTS, "seed": [1, 2]})
    whole = reported(file)
    folder = tmp_path / "runs" / "grid"
    runs = sorted(each for each in folder.iterdir() if each.is_dir())
    for run in runs[3:]:  # as if it had been killed in the third run
        shutil.rmtree(run)
    for name, kept in (("episodes", 5), ("grades", 3)):
        lines = (runs[2] / f"{name}.jsonl").read_bytes().splitlines(keepends=True)
        (runs[2] / f"{name}.jsonl").write_bytes(b"".join(lines[:kept]) + lines[kept][:40])
    (runs[2] / "summary.json").unlink()
    with pytest.raises(RunError, match="lacks 5 episodes; continue with"):
        command("study", folder)
    with pytest.raises(RunError, match="already exists; add --resume"):
        command("study", file)
    asked = len(script.asked)
    assert reported(file, "--resume") == whole
    assert 0 < len(script.asked) - asked < asked
    asked = len(script.asked)
    assert reported(file, "--resume") == whole
    assert len(script.asked) == asked


def test_a_study_that_is_killed_in_the_act_goes_on(write: Write, script: Script, tmp_path: Path, forks: Forks) -> None:
    script.left = TASKS[:2]
    file = write({**PROMPTS, "seed": [1, 2]})
    whole = reported(file, "--name", "whole")
    requests = len(script.asked)
    script.asked.clear()
    with (tmp_path / "output").open("w") as output:
        killed = forks.start(["study", str(file)], cwd=tmp_path, env=dict(os.environ), stdout=output, stderr=output)
        script.on_request = lambda number: killed.kill() if number == requests // 2 else None
        assert killed.wait(60) == -signal.SIGKILL
    runs = tmp_path / "runs" / "grid"
    assert 1 <= sum(each.is_dir() for each in runs.iterdir()) < 4
    again = reported(file, "--resume")
    assert again == {**whole, "name": "grid", "folder": str(runs)}
    assert len(script.asked) < 2 * requests


def test_a_changed_study_is_not_resumed(write: Write, tmp_path: Path) -> None:
    reported(write(PROMPTS))
    with pytest.raises(RunError, match="holds another study: its factors differ"):
        command("study", write({**PROMPTS, "seed": [1, 2]}), "--resume")
    with pytest.raises(RunError, match=r"holds another run: limits\.max_steps was 200 and is now 100"):
        command("study", write(PROMPTS, max_steps=100), "--resume")


def test_judges_grade_the_same_conversations(write: Write, script: Script, endpoint: ScriptedEndpoint) -> None:
    def judge(name: str) -> dict[str, Any]:
        return {"model": f"endpoint/judge-{name}", "args": {"api_base": endpoint.url}}

    file = write({"judge": [judge("a"), judge("b")], **PROMPTS}, judge_all=True)
    report = reported(file)
    played = script.asked.count("agent")
    by_judge = {name: script.asked.count(name) for name in ("judge-a", "judge-b")}
    folder = file.parent / "runs" / "grid"
    assert by_judge["judge-a"] == by_judge["judge-b"] > 0
    for prompt in ("default", "careful"):
        one, two = (
            next(
                folder / run["folder"]
                for run in report["runs"]
                if run["levels"] == {"judge": f"endpoint/judge-{name}", "user_prompt": prompt}
            )
            for name in ("a", "b")
        )
        assert (one / "episodes.jsonl").read_bytes() == (two / "episodes.jsonl").read_bytes()
        config = json.loads((two / "run.json").read_text())
        assert config["models"]["judge"]["model"] == "endpoint/judge-b"
        assert {json.loads(line)["model"] for line in (two / "judgements.jsonl").read_text().splitlines()} == {
            "endpoint/judge-b"
        }
    assert reported(file, "--resume") == report
    assert script.asked.count("agent") == played


def test_several_judges_are_one_level(write: Write, script: Script, endpoint: ScriptedEndpoint) -> None:
    def judge(name: str) -> dict[str, Any]:
        return {"model": f"endpoint/judge-{name}", "args": {"api_base": endpoint.url}}

    alone, both = judge("a"), [judge("a"), judge("b")]
    factors = {"judge": {"one": alone, "both": both}, "judge_rule": ["majority", "unanimous"]}
    report = reported(write(factors, judge_all=True, task=TASKS[:1], trials=1))
    assert [run["rate"]["value"] for run in report["runs"]] == [1, 1, 1, 1]
    runs = write({}).parent / "runs" / "grid"
    models = [json.loads((runs / run["folder"] / "run.json").read_text())["models"] for run in report["runs"]]
    assert [sorted(name for name in each if "judge" in name) for each in models][::2] == [
        ["judge"],
        ["judge", "judge_2"],
    ]
    assert script.asked.count("agent") == 3  # two calls and the closing words: played once for four runs


def test_models_are_named_by_role_and_runs_are_played_by_workers(write: Write, script: Script) -> None:
    file = write({"user_model": ["endpoint/customer", "endpoint/other-customer"]}, num_tasks=2)
    report = reported(file, "--executor", "processes", "--workers", "1", "--name", "by-workers")
    assert list(report["factors"]["user_model"]["levels"]) == ["endpoint/customer", "endpoint/other-customer"]
    assert {"customer", "other-customer"} <= set(script.asked)
    assert (file.parent / "runs" / "by-workers" / "study.json").exists()


@pytest.mark.parametrize(
    ("factors", "options", "words"),
    [
        ({"user_promt": ["default", "careful"]}, {}, "grid.yaml:.*'user_promt' cannot be a factor.*user_prompt"),
        ({"trials": [1, 2]}, {}, "trials cannot be a factor, as all runs play the same slots"),
        ({"workers": [1, 2]}, {}, "'workers' cannot be a factor"),
        ({"judge_calibration": ["a", "b"]}, {}, "'judge_calibration' cannot be a factor"),
        ({"seed": [1]}, {}, "seed has 1 level"),
        ({"seed": [1, 1]}, {}, "two levels are equal"),
        ({"seed": ["one", "two"]}, {}, "seed.one: Input should be a valid integer"),
        ({"user": {"a": {"modell": "x"}, "b": "scripted"}}, {}, "user.a.modell: Extra inputs"),
        ({"judge_rule": ["majority", "mood"]}, {}, "judge_rule.mood.rule: Input should be"),
        ({"user_model": ["endpoint/a", 5]}, {}, "user_model.5"),
        ({"persona": ["none", "sad"]}, {}, "002-persona=sad: .*sad"),
        ({"user_prompt": ["default", "odd"]}, {}, "002-user_prompt=odd: .*odd"),
        ({"seed": [1, 2]}, {"resume": True}, "resume is for a single run"),
        ({"seed": [1, 2]}, {"agnt": "x"}, "agnt"),
        ({"seed": [1, 2]}, {"task": ["nothing"]}, "001-seed=1: .*nothing"),
        ({"seed": [1, 2]}, {"task": [], "sample": 3}, "plays other tasks or trials than 001-seed=1"),
        ({"seed": [1, 2]}, {"user": "human"}, "a person cannot play all runs"),
        ({"seed": list(range(40)), "max_steps": list(range(1, 31))}, {}, "the grid has 1200 runs; the maximum is 1000"),
        ({}, {}, "factors"),
    ],
)
def test_what_cannot_be_a_study_is_refused_before_anything_is_played(
    write: Write, script: Script, tmp_path: Path, factors: dict[str, Any], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        command("study", write(factors, **options))
    assert not (tmp_path / "runs").exists()
    assert script.asked == []


def test_a_folder_that_holds_no_study_is_named(tmp_path: Path, write: Write) -> None:
    with pytest.raises(RunError, match="holds no study"):
        command("study", tmp_path)
    with pytest.raises(UsageError, match="--name is for playing a study"):
        command("study", tmp_path, "--name", "x")
    reported(write(PROMPTS, num_tasks=1))
    file = tmp_path / "runs" / "grid" / "study.json"
    content = json.loads(file.read_text())
    for damaged, words in (({**content, "runs": content["runs"][:1]}, "not have one run for each"), ({}, "format 1")):
        file.write_text(json.dumps(damaged))
        with pytest.raises(RunError, match=words):
            command("study", file.parent)


def test_every_factor_is_an_option() -> None:
    assert set(_ROLE_PARTS) <= FACTORS
    assert FACTORS - set(_ROLE_PARTS) <= Options.model_fields.keys()
