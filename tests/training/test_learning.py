"""The committed experiment: an untrained policy learns to serve, and the pack that it learns on is valid."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
from tau2_core.cli.app import app
from typer.testing import CliRunner

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "learning"


@pytest.fixture(scope="module")
def experiment() -> dict[str, Any]:
    pytest.importorskip("tau2_gymnasium")
    return runpy.run_path(str(FOLDER / "learn.py"))


def test_the_pack_is_sound() -> None:
    done = CliRunner().invoke(app, ["check", "--pack", str(FOLDER / "lamps")])
    assert done.exit_code == 0, done.output


def test_some_updates_are_seen_in_the_reward(experiment: dict[str, Any]) -> None:
    policy, curve = experiment["train"](updates=30)
    assert curve[0] <= 0.2
    assert max(curve[-5:]) >= 0.4
    assert experiment["tested"](policy, "test") > experiment["tested"](experiment["Policy"](7), "test")


def test_the_same_seed_learns_the_same(experiment: dict[str, Any]) -> None:
    one, other = (experiment["train"](updates=2) for _ in range(2))
    assert one[1] == other[1]
    assert (one[0].weights == other[0].weights).all()


def test_the_curve_of_the_document_is_that_of_the_experiment(experiment: dict[str, Any]) -> None:
    drawn = experiment["drawn"]([0.0, 0.5, 1.0])
    assert drawn.startswith("<svg")
    assert "from 0 to 2" in drawn
    picture = (FOLDER.parents[1] / "docs" / "learning-curve.svg").read_text(encoding="utf-8")
    assert f"from 0 to {experiment['UPDATES'] - 1}" in picture
