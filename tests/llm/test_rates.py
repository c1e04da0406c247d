"""No failure of the infrastructure makes a run look better than it was."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tau2_core.cli.app import app
from tau2_core.records.reader import read_run
from tau2_core.records.report import build_report
from typer.testing import CliRunner

TRIALS = 3


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of which some episodes are solved and some not."""
    out = tmp_path_factory.mktemp("runs")
    told = ["run", "mock", "--agent", "oracle", "--fault", "tool-error=0.3", "--trials", str(TRIALS), "--out", str(out)]
    assert CliRunner().invoke(app, [*told, "--name", "mixed"]).exit_code == 0
    return out / "mixed"


def rates(folder: Path) -> dict[str, float]:
    """Return every rate over all slots that a report has; those named evaluable leave out what failed by rule."""
    told = build_report(read_run(folder))
    found = {"mean_reward": told.mean_reward, "coverage": told.coverage, "strict_rate": told.strict_rate.value}
    found |= {f"pass^{k}": estimate.value for k, estimate in told.pass_hat_k.items()}
    strict = {name: criterion.strict_rate for name, criterion in told.criteria.items()}
    return found | {name: rate.value for name, rate in strict.items() if rate is not None}


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_bytes().splitlines()]


def spoilt(folder: Path, copy: Path, chosen: set[int]) -> Path:
    """Copy a run with chosen episodes as if the infrastructure had failed in them."""
    shutil.copytree(folder, copy)
    episodes, grades = lines(folder / "episodes.jsonl"), lines(folder / "grades.jsonl")
    for number in chosen:
        episode = episodes[number]
        episode |= {"termination": "infrastructure_error", "error": "rate_limit: spoilt"}
        slot = (episode["task_id"], episode["trial"])
        grade = next(each for each in grades if (each["task_id"], each["trial"]) == slot)
        grade |= {"reward": None, "outcome": "infrastructure_error", "verdicts": {}, "pending": []}
    for name, content in (("episodes.jsonl", episodes), ("grades.jsonl", grades)):
        (copy / name).write_text("".join(json.dumps(line) + "\n" for line in content))
    return copy


@settings(max_examples=25)
@given(st.data())
def test_no_rate_rises_when_episodes_fail_by_infrastructure(
    run_folder: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    count = len(lines(run_folder / "episodes.jsonl"))
    chosen = data.draw(st.sets(st.integers(0, count - 1), min_size=1))
    before = rates(run_folder)
    assert 0 < before["strict_rate"] < 1
    after = rates(spoilt(run_folder, tmp_path_factory.mktemp("spoilt") / "copy", chosen))
    assert after["coverage"] == pytest.approx(before["coverage"] - len(chosen) / count)
    assert {name: rate for name, rate in after.items() if rate > before.get(name, 0.0) + 1e-12} == {}
