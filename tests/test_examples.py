"""The scripts in `examples/` do what they say, each in an empty folder."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from tests.bakery import in_process

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SHOWN = {
    "evaluate_agent.py": ["14/14 ", "14 of 14 episodes, mean reward 0.0000", "DB: agent database: differs"],
    "own_customer.py": ["7 of 7 episodes", "'reopen_task': 'user_stop'"],
    "own_evaluator.py": [
        "7 of 7 episodes, mean reward 0.",
        "create_another 1.0 1.0 1.0",
        "reopen_task_in_other_data 1.0 0.0 0.0",
    ],
    "read_run.py": ["mock random 2 trials", "coverage 100%", "assistant: Hello!"],
    "step_by_hand.py": ["the agent has create_task", "user_stop: reward 1.0, solved"],
}
pytestmark = pytest.mark.domain("mock")


def test_each_script_is_run() -> None:
    assert {file.name for file in EXAMPLES.glob("*.py")} - {"conftest.py", "test_airline_agent.py"} == set(SHOWN)


@pytest.mark.parametrize("name", SHOWN)
def test_each_example_prints_its_results(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    shown = capsys.readouterr().out
    for words in SHOWN[name]:
        assert words in shown


@pytest.mark.parametrize("evaluators", ["tau2", "strict"])
def test_the_example_pack_is_sound(evaluators: str) -> None:
    pack = EXAMPLES / "it_desk"
    done = in_process("check", "--pack", pack, "--audit", "--evaluators", evaluators)
    assert done.returncode == 0, done.stdout
    assert f"evaluators {evaluators}, tasks 4, " in done.stdout


@pytest.mark.parametrize("variant", ["search", "all_runbooks"])
def test_the_example_pack_is_solved_in_each_variant(tmp_path: Path, variant: str) -> None:
    done = in_process("run", "it_desk", "--pack", EXAMPLES / "it_desk", "--variant", variant, "--out", tmp_path)
    assert "4 episodes · mean reward 1.0000" in done.stdout
