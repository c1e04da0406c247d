"""`evaluation.yaml`: which evaluators grade, with which options, and how their verdicts combine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.grading.configuration import TONE, Gym


def graded(tmp_path: Path, gym: Gym, file: Path, *arguments: object, code: int = 0) -> dict[str, Any]:
    """Play one task of the mock domain, with this exit code, and return its grade."""
    name = f"run{len(list(tmp_path.glob('runs/*')))}"
    done = gym("run", "mock", "--task", "complete_task", "--evaluators", file, "--name", name, *arguments)
    assert done.returncode == code, done.stderr
    (line,) = (tmp_path / "runs" / name / "grades.jsonl").read_text(encoding="utf-8").splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


class TestCombination:
    def test_the_product_of_the_basis_is_the_default(
        self, gym: Gym, tmp_path: Path, write: Callable[..., Path]
    ) -> None:
        entry = '{use: "./tone.py:evaluate", options: {word: "never said", share: 0.5}, counts: always}'
        grade = graded(tmp_path, gym, write(f"extends: tau2\nevaluators:\n  TONE: {entry}\n"))
        assert (grade["basis"], grade["reward"]) == (["DB", "COMMUNICATE", "TONE"], 0.5)
        assert grade["verdicts"]["TONE"]["checks"][0]["what"] == "never said"

    @pytest.mark.parametrize(
        ("agent", "more", "reward"),
        [
            ("oracle", "weights: {DB: 3}", (3 + 0.5) / 4),
            ("oracle", "weights: {DB: 3, TONE: 3}", 0.75),
            ("silent", "weights: {DB: 3}", 0.5 / 4),
            ("silent", "weights: {DB: 3}\ngates: [DB]", 0.0),
            ("silent", "gates: [DB]", 0.0),
            ("oracle", "gates: [TONE]", 0.0),
            ("oracle", "weights: {DB: 3}\ngates: [DB]", (3 + 0.5) / 4),
        ],
    )
    def test_weights_give_a_weighted_mean_and_an_unmet_gate_gives_0(
        self, gym: Gym, tmp_path: Path, write: Callable[..., Path], agent: str, more: str, reward: float
    ) -> None:
        entry = '{use: "./tone.py:evaluate", options: {word: "never said", share: 0.5}, counts: always}'
        file = write(f"extends: tau2\nevaluators:\n  TONE: {entry}\n{more}\n")
        assert graded(tmp_path, gym, file, "--agent", agent)["reward"] == pytest.approx(reward)

    def test_criteria_that_never_count_are_reported_with_the_reward(
        self, gym: Gym, tmp_path: Path, write: Callable[..., Path]
    ) -> None:
        text = 'extends: tau2\nevaluators:\n  TONE: {use: "./tone.py:evaluate", options: {word: ooh}, counts: never}\n'
        grade = graded(tmp_path, gym, write(text))
        assert (grade["basis"], grade["reward"], grade["verdicts"]["TONE"]["reward"]) == (
            ["DB", "COMMUNICATE"],
            1.0,
            0.0,
        )

    def test_an_evaluator_can_replace_another(self, gym: Gym, tmp_path: Path, write: Callable[..., Path]) -> None:
        text = "extends: tau2\nevaluators:\n  DB: {use: strict.db, options: {ignored: [tasks.task_5.status]}}\n"
        grade = graded(tmp_path, gym, write(text), "--agent", "silent")
        assert grade["reward"] == 1.0

    def test_code_of_an_installed_package_is_used(
        self, gym: Gym, tmp_path: Path, write: Callable[..., Path], plugin: Callable[..., Path]
    ) -> None:
        folder = plugin("manners", TONE)
        entry = '{use: "manners:evaluate", options: {word: done}, counts: always}'
        file = write(f"extends: tau2\nevaluators:\n  TONE: {entry}\n")
        done = gym("run", "mock", "--task", "complete_task", "--evaluators", file, "--json", paths=[folder])
        assert json.loads(done.stdout)["mean_reward"] == 1.0

    @pytest.mark.parametrize(
        ("function", "why"),
        [
            ("lies", "TypeError: it should return a Verdict, not bool"),
            ("too_much", "ValueError: its reward should be between 0 and 1, not 2"),
        ],
    )
    def test_a_return_value_that_is_not_a_verdict_is_an_error(
        self, gym: Gym, tmp_path: Path, write: Callable[..., Path], function: str, why: str
    ) -> None:
        text = f'extends: tau2\nevaluators:\n  TONE: {{use: "./tone.py:{function}", counts: always}}\n'
        grade = graded(tmp_path, gym, write(text), code=1)
        assert (grade["reward"], grade["outcome"]) == (None, "evaluator_error")
        assert grade["note"].startswith(f"TONE could not be graded: {why} ({tmp_path / 'tone.py'}:")
        assert why in grade["verdicts"]["TONE"]["traceback"]

    def test_a_crash_makes_run_and_grade_exit_with_1(
        self, gym: Gym, tmp_path: Path, write: Callable[..., Path]
    ) -> None:
        (tmp_path / "leave.py").write_text("import sys\ndef evaluate(evidence):\n    sys.exit(0)\n", encoding="utf-8")
        file = write('extends: tau2\nevaluators:\n  TONE: {use: "./leave.py:evaluate", counts: never}\n')
        done = gym("run", "mock", "--task", "complete_task", "--evaluators", file, "--name", "left")
        assert done.returncode == 1
        assert f"SystemExit: 0 ({tmp_path / 'leave.py'}:3)" in done.stderr
        again = gym("grade", "runs/left", "--evaluators", file)
        assert again.returncode == 1
        assert gym("grade", "runs/left", "--evaluators", "tau2").returncode == 0

    @pytest.mark.parametrize(("solved_from", "outcome"), [(0.5, "solved"), (0.51, "failed"), (1.0, "failed")])
    def test_a_threshold_says_from_which_reward_an_episode_is_solved(
        self, gym: Gym, tmp_path: Path, write: Callable[..., Path], solved_from: float, outcome: str
    ) -> None:
        (tmp_path / "half.py").write_text(HALF, encoding="utf-8")
        entry = "evaluators:\n  HALF: {use: ./half.py:evaluate, counts: always}\n"
        text = f"solved_from: {solved_from}\nextends: tau2\n{entry}"
        grade = graded(tmp_path, gym, write(text))
        assert (grade["reward"], grade["outcome"]) == (0.5, outcome)
        summary = json.loads((tmp_path / "runs/run0/summary.json").read_text())
        assert summary["pass_hat_k"] == {"1": float(outcome == "solved")}

    @pytest.mark.parametrize("given", ["0", "1.1", "-1", ".nan", "yes"])
    def test_a_threshold_outside_0_to_1_is_refused(self, gym: Gym, write: Callable[..., Path], given: str) -> None:
        done = gym("run", "mock", "--evaluators", write(f"extends: tau2\nsolved_from: {given}\n"))
        assert done.returncode == 2
        assert "evaluation.yaml:2" in done.stderr


HALF = """
from tau2_core.model.evaluation import Status, Verdict

def evaluate(evidence):
    return Verdict(criterion="HALF", status=Status.GRADED, reward=0.5)
"""


class TestName:
    def test_grades_and_runs_name_the_configuration_with_a_digest(
        self, gym: Gym, tmp_path: Path, write: Callable[..., Path]
    ) -> None:
        file = write("extends: strict\n", "ours.yaml")
        first = graded(tmp_path, gym, file)["evaluators"]
        assert first.startswith("ours@")
        assert json.loads((tmp_path / "runs/run0/run.json").read_text())["evaluators"] == first
        assert graded(tmp_path, gym, file)["evaluators"] == first
        write("extends: strict\nweights: {DB: 2}\n", "ours.yaml")
        assert graded(tmp_path, gym, file)["evaluators"] != first
        done = gym("compare", "runs/run0", "runs/run2")
        assert done.returncode == 2
        assert f"evaluators: {first}" in done.stderr

    def test_changed_code_is_another_configuration(self, gym: Gym, tmp_path: Path, write: Callable[..., Path]) -> None:
        text = 'extends: tau2\nevaluators:\n  TONE: {use: "./tone.py:evaluate", options: {word: ""}, counts: always}\n'
        first = graded(tmp_path, gym, write(text))["evaluators"]
        (tmp_path / "tone.py").write_text(TONE.replace("share: float = 0.0", "share: float = 0.1"), encoding="utf-8")
        assert graded(tmp_path, gym, tmp_path / "evaluation.yaml")["evaluators"] != first

    def test_a_run_is_graded_again_by_its_file_alone(
        self, gym: Gym, tmp_path: Path, write: Callable[..., Path]
    ) -> None:
        file = write("extends: strict\n", "ours.yaml")
        name = graded(tmp_path, gym, file)["evaluators"]
        done = gym("grade", "runs/run0")
        assert (done.returncode, done.stderr) == (
            2,
            f"error: {name} is a configuration: give its file with --evaluators FILE\n",
        )
        assert gym("grade", "runs/run0", "--evaluators", file).returncode == 0

    def test_a_manifest_chooses_for_its_own_tasks(
        self, gym: Gym, tmp_path: Path, mock_copy: Path, write: Callable[..., Path]
    ) -> None:
        manifest = mock_copy / "domain.yaml"
        text = manifest.read_text(encoding="utf-8")
        manifest.write_text(text.replace("evaluation:\n", "evaluation:\n  evaluators: grading.yaml\n"))
        (mock_copy / "grading.yaml").write_text("extends: strict\n", encoding="utf-8")
        assert gym("run", "mock", "--pack", mock_copy, "--name", "own").returncode == 0
        assert json.loads((tmp_path / "runs/own/run.json").read_text())["evaluators"].startswith("grading@")
        assert gym("grade", "runs/own", "--pack", mock_copy).returncode == 0
        (mock_copy / "grading.yaml").write_text("extends: strickt\n", encoding="utf-8")
        done = gym("check", "mock", "--pack", mock_copy)
        assert done.returncode == 1
        assert "grading.yaml:1: extends: no evaluator set 'strickt' (did you mean 'strict'?)" in done.stdout
