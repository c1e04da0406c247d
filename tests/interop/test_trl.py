"""TRL: two GRPO steps on the CPU with a tiny random model, what they mask, and the schemas of methods."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from .conftest import run_to_end

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
TORCH = "torch==2.13.0"
SAMPLED = 8  # tokens an answer
TURNS = 2


@pytest.fixture(scope="module")
def steps(python_with: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """Run a script of this folder with TRL, and return the JSON of its last line."""
    ours = [str(ROOT / part) for part in ("core", "domains/mock", "integrations/trl")]
    python = python_with("trl", TORCH, "trl==1.16.0", *ours)
    folder = tmp_path_factory.mktemp("trl")

    def run(script: str) -> Any:
        return json.loads(run_to_end([str(python), str(FOLDER / script)], cwd=folder, seconds=600).splitlines()[-1])

    return run


def test_two_steps_through_environments(steps: Callable[[str], Any]) -> None:
    result = steps("trl_environment_steps.py")
    assert result["moved"]
    assert result["rewards"] == [1.0] * 8
    call = {"name": "update_task_status", "arguments": {"task_id": "task_5", "status": "completed"}}
    own = f"<tool_call>\n{json.dumps(call)}\n</tool_call><|im_end|>It is done.<|im_end|>"
    assert result["trained_on"] == [own] * 8


def test_two_steps_of_grpo(steps: Callable[[str], Any]) -> None:
    result = steps("trl_steps.py")
    assert result["moved"]
    assert result["steps"] == 2
    for rollout in result["rollouts"]:
        assert len(rollout["mask"]) == rollout["completion"]
        runs = [(mask, len(list(run))) for mask, run in groupby(rollout["mask"])]
        assert [length for mask, length in runs if mask] == [SAMPLED] * TURNS
        assert [mask for mask, _ in runs] == [1, 0, 1]
    assert result["first"].startswith("Your task task_5")
    assert result["heard"]
    history = result["history"].splitlines()
    assert history[0] == "The conversation so far:"
    assert history[2].startswith("assistant: create_task(")
    assert result["reward"] == 1.0
    schema = result["schema"]
    assert schema["name"] == "update_task_status"
    assert set(schema["parameters"]["required"]) == {"task_id", "status"}
