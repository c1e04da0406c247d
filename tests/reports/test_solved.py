"""What counts as solved is the same for every figure and every command, also where a reward is a hair below 1."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tau2_core
from click.testing import Result

pytestmark = pytest.mark.domain("mock")
SHARE = """
from tau2_core import Check, Status, Verdict

def evaluate(evidence, *, share: float):
    checks = [Check(what="a share", met=True)]
    return Verdict(criterion="SHARE", status=Status.GRADED, reward=share, checks=checks)
"""
NAMED = {"0.9999995": True, "0.999998": False, "0.5": True, "0.4999995": True, "0.49": False}


@pytest.mark.parametrize(("share", "solved"), NAMED.items())
def test_every_figure_agrees(tau2_gym: Callable[..., Result], tmp_path: Path, share: str, *, solved: bool) -> None:
    (tmp_path / "share.py").write_text(SHARE)
    file = tmp_path / "evaluation.yaml"
    entry = f'{{use: "./share.py:evaluate", options: {{share: {share}}}, counts: always}}'
    threshold = "" if float(share) > 0.9 else "solved_from: 0.5\n"
    file.write_text(f"extends: tau2\nevaluators:\n  SHARE: {entry}\n{threshold}")
    out = ("--out", tmp_path, "--name", "r")
    done = tau2_gym("run", "mock", "--task", "create_plain", "--evaluators", file, *out)
    assert done.exit_code == 0, done.output
    run = tmp_path / "r"
    grade = json.loads((run / "grades.jsonl").read_text())
    assert (grade["outcome"], grade["reward"]) == ("solved" if solved else "failed", float(share))
    summary = json.loads((run / "summary.json").read_text())
    counts = (summary["pass_hat_k"]["1"], len(summary["solved_tasks"]), summary["outcomes"].get("solved", 0))
    assert counts == (float(solved), solved, solved)
    report: dict[str, Any]
    (report,) = json.loads(tau2_gym("report", run, "--json").stdout)
    assert report["strict_rate"]["value"] == float(solved)
    assert report["solved_by_task"] == {"create_plain": int(solved)}
    shown = tau2_gym("show", run).stdout
    assert ("Not solved" in shown, "Not solved" in done.stdout) == (not solved, not solved)
    compared = json.loads(tau2_gym("compare", run, run, "--json").stdout)
    assert compared["a"]["strict_rate"]["value"] == float(solved)


def test_solved_is_decided_in_one_place_only() -> None:
    home = Path(tau2_core.__file__).parent
    found = [
        f"{file.relative_to(home)}:{node.lineno}"
        for file in home.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Compare) and _is_about_rewards(node)
    ]
    assert found == []


def _is_about_rewards(node: ast.Compare) -> bool:
    """Tell whether a reward or score is compared with a number that is no limit of its range (`0 <= reward <= 1`)."""
    sides = [node.left, *node.comparators]
    named = any("reward" in ast.unparse(side) or "score" in ast.unparse(side) for side in sides)
    numbers = [side for side in sides if isinstance(side, ast.Constant) and isinstance(side.value, int | float)]
    return named and bool(numbers) and len(sides) == 2
