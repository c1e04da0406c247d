"""`evaluation.yaml`: every mistake is reported with its line before anything is played."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.grading.configuration import Gym

CODE = re.compile(r" \[T2G\d{3}\]$")
WRONG = """\
name: ours
extends: tau2
evaluators:
  DB: {use: tau2.bd}
  ACTION: {use: tau2.action, options: {orderd: true}}
  COMMUNICATE: {counts: never}
  TONE: {use: "./tone.py:evaluate", options: {word: x}}
  MOOD: {use: "./tone.py:evaluates", counts: always}
  FORM: {use: "./tune.py:evaluate", counts: always}
  PACE: {use: "tune.evil:evaluate", counts: always}
  WORD: {use: "./tone.py:evaluate", counts: always}
  ODD: {counts: always}
weights:
  ENV_ASERTION: 1
  NL_ASSERTION: 0
gates:
  - COMMUNICATE
  - MOODY
"""
TOLD = {
    4: "DB: no evaluator 'tau2.bd' (did you mean 'tau2.db'?)",
    5: "ACTION: it has no option 'orderd' (there are none)",
    7: "no task's reward basis can name TONE, so it never counts (`counts: always`, or `never` to report it)",
    8: "MOOD: ./tone.py has no function 'evaluates' (did you mean 'evaluate'?)",
    9: "FORM: there is no file {folder}/tune.py (correct the path)",
    10: "PACE: tune.evil:evaluate cannot be loaded: ModuleNotFoundError: No module named 'tune' (install or fix it; a "
    "file is named as `./file.py:function`)",
    11: "WORD: it needs the option 'word' (give it under `options`)",
    12: "there is no evaluator for ODD to extend (name its code: `use: package.module:function`, or "
    "`./file.py:function`)",
    14: "weights: there is no evaluator for ENV_ASERTION (did you mean 'ENV_ASSERTION'?)",
    15: "weights: NL_ASSERTION should be above 0, not 0",
    17: "gates: COMMUNICATE never counts, so it cannot affect the reward (remove it here, or let it count)",
    18: "gates: there is no evaluator for MOODY (did you mean 'MOOD'?)",
}


class TestRefused:
    def test_every_problem_is_reported_with_its_line_and_nothing_is_played(
        self, gym: Gym, tmp_path: Path, write: Callable[..., Path]
    ) -> None:
        file = write(WRONG)
        done = gym("run", "mock", "--evaluators", file)
        assert done.returncode == 2
        told = [CODE.sub("", line) for line in done.stderr.removeprefix("error: ").splitlines()]
        expected = [f"evaluation: {file}:{line}: {what}" for line, what in TOLD.items()]
        assert sorted(told) == sorted(each.replace("{folder}", str(tmp_path)) for each in expected)
        assert not (tmp_path / "runs").exists()

    @pytest.mark.parametrize(
        ("text", "line", "told"),
        [
            ("extends: strct\n", 1, "extends: no evaluator set 'strct' (did you mean 'strict'?)"),
            ("extends: tau2\nweight: {DB: 1}\n", 2, "weight: there is no such key"),
            ("evaluators: {}\n", 1, "it has no evaluators (name a set with `extends`, or write `evaluators`)"),
            ("- x\n", 1, "the file: should be a mapping of keys to values"),
            ("extends: [\n", 2, "a value is expected here; is a `[` or `{` before it not closed?"),
        ],
    )
    def test_a_malformed_file_is_refused(
        self, gym: Gym, tmp_path: Path, write: Callable[..., Path], text: str, line: int, told: str
    ) -> None:
        file = write(text)
        done = gym("grade", "nothing.json", "--evaluators", file)
        assert done.returncode == 2
        assert f"evaluation: {file}:{line}: {told}" in done.stderr

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            (
                "evaluators: {DB: {use: tau2.db}}\n",
                "COMMUNICATE is in the reward basis of task 'create_plain', but",
            ),
            (
                "extends: tau2\nevaluators: {DB: {counts: never}, COMMUNICATE: {counts: never}}\n",
                "nothing counts for the reward of task",
            ),
        ],
    )
    def test_tasks_that_it_cannot_grade_are_refused_before_the_run(
        self, gym: Gym, tmp_path: Path, write: Callable[..., Path], text: str, told: str
    ) -> None:
        done = gym("run", "mock", "--evaluators", write(text))
        assert done.returncode == 2
        assert told in done.stderr
        assert not (tmp_path / "runs").exists()

    def test_a_missing_file_is_refused(self, gym: Gym) -> None:
        done = gym("run", "mock", "--evaluators", "nowhere.yaml")
        assert done.returncode == 2
        assert "cannot read nowhere.yaml: No such file or directory" in done.stderr
