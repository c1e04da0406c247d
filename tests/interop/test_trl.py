"""TRL: two GRPO steps on the CPU with a tiny random model, what they mask, and the schemas of methods."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

from .conftest import run_to_end

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
TORCH = "torch==2.13.0"
SAMPLED = 8  # tokens an answer
TURNS = 2


def test_two_steps_of_grpo(python_with: Callable[..., Path], tmp_path: Path) -> None:
    ours = [str(ROOT / part) for part in ("core", "domains/mock", "integrations/trl")]
    python = python_with("trl", TORCH, "trl==1.16.0", *ours)
    done = run_to_end([str(python), str(FOLDER / "trl_steps.py")], cwd=tmp_path, seconds=600)
    result = json.loads(done.splitlines()[-1])
    assert result["moved"]
    assert result["steps"] == 2
    for rollout in result["rollouts"]:
        assert len(rollout["mask"]) == rollout["completion"]
        runs = [(mask, len(list(run))) for mask, run in groupby(rollout["mask"])]
        assert [length for mask, length in runs if mask] == [SAMPLED] * TURNS
        assert [mask for mask, _ in runs] == [1, 0, 1]
    assert result["first"].startswith("Your task task_5")
    assert result["heard"]
    assert result["reward"] == 1.0
    schema = result["schema"]
    assert schema["name"] == "update_task_status"
    assert set(schema["parameters"]["required"]) == {"task_id", "status"}
