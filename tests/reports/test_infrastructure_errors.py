"""No error of infrastructure raises a rate: not in summary.json, not in a report, not in a comparison.

The evaluable rates are the exception by their definition, as they leave errors out; what holds of them is that they
rise only as far as coverage falls.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hypothesis import given, settings
from hypothesis import strategies as st

Command = Callable[..., Result]


@pytest.fixture(scope="module")
def small(recorded: Callable[[str], Any], tmp_path_factory: pytest.TempPathFactory, tau2_gym: Command) -> Any:
    """A run small enough to be graded often; in every third episode the agent does nothing."""
    home = tmp_path_factory.mktemp("small")
    folder = type(recorded("oracle"))(home / "run")
    shutil.copytree(recorded("few").path, folder.path)
    silent = recorded("few, silent").lines("episodes")
    records = recorded("few").lines("episodes")
    folder.write_lines("episodes", [silent[n] if n % 3 == 0 else each for n, each in enumerate(records)])
    assert tau2_gym("grade", folder).exit_code == 0
    shutil.copytree(folder.path, home / "before")
    return folder


def rates(found: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Yield every rate in a JSON value by its path; of an interval, the value."""
    if isinstance(found, dict):
        for name, value in found.items():
            here = f"{path}/{name}"
            if name in ("strict_rate", "coverage", "mean_reward") or here.count("pass_hat_k/"):
                yield here, value["value"] if isinstance(value, dict) else value
            elif name != "evaluable_rate":
                yield from rates(value, here)


@settings(max_examples=12)
@given(number=st.integers(0, 11), more=st.sets(st.integers(0, 11), max_size=6))
def test_an_infrastructure_error_raises_no_rate(small: Any, tau2_gym: Command, number: int, more: set[int]) -> None:
    before_path = small.path.parent / "before"
    start = (before_path / "episodes.jsonl").read_bytes()
    figures: list[dict[str, Any]] = []
    for turned in (more, {*more, number}):
        (small.path / "episodes.jsonl").write_bytes(start)
        for each in turned:
            small.end(each, "infrastructure_error")
        assert tau2_gym("grade", small).exit_code == 0
        report = json.loads(tau2_gym("report", small, "--json").stdout)[0]
        compared = json.loads(tau2_gym("compare", before_path, small, "--json").stdout)
        figures.append({"summary": small.read("summary"), "report": report, "compared": compared["b"]})
        evaluable, coverage = report["evaluable_rate"], report["coverage"]
        solved_of_all = evaluable["value"] * coverage if evaluable else 0.0
        assert solved_of_all == pytest.approx(report["strict_rate"]["value"])
        assert report["errors"]["infrastructure"] == len(turned)
    before, after = (dict(rates(each)) for each in figures)
    assert {"/summary/mean_reward", "/report/pass_hat_k/2", "/report/criteria/DB/strict_rate"} <= before.keys()
    assert "/compared/strict_rate" in before
    for name, rate in after.items():
        earlier = before.get(name)
        if rate is not None:
            assert earlier is not None
            assert rate <= earlier + 1e-12, name


def test_unfinished_slots_count_as_failed(copied: Callable[..., Any], figures: Callable[..., dict[str, Any]]) -> None:
    whole, folder = figures(copied("oracle", "whole")), copied("oracle")
    for name in ("episodes", "grades", "timings"):
        folder.write_lines(name, folder.lines(name)[:27])
    half = folder.path / "grades.jsonl"
    half.write_bytes(half.read_bytes()[:-9])  # killed while it wrote
    (folder.path / "summary.json").unlink()
    found = figures(folder)
    assert (whole["strict_rate"]["value"], whole["coverage"]) == (1.0, 1.0)
    assert (found["finished"], found["slots"], found["errors"]["unfinished"]) == (26, 54, 28)
    assert found["strict_rate"]["value"] == found["coverage"] == pytest.approx(26 / 54)
    assert found["evaluable_rate"]["value"] == 1.0
    assert found["pass_hat_k"]["3"]["value"] == 0.0


def test_a_stopped_run_is_reported_with_its_finished_episodes(
    figures: Callable[..., dict[str, Any]], recorded: Callable[[str], Any], gym: Any, tmp_path: Path
) -> None:
    done = gym("run", "mock", "--trials", 40, "--out", tmp_path, "--name", "stopped", disk=100_000)
    assert done.returncode == 1
    folder = type(recorded("few"))(tmp_path / "stopped")
    found, finished = figures(folder), len(folder.lines("grades"))
    assert 0 < finished < found["slots"] == 18 * 40
    assert (found["finished"], found["errors"]["unfinished"]) == (finished, 720 - finished)
    assert found["strict_rate"]["value"] == pytest.approx(finished / 720)
    assert found["pass_hat_k"]["40"]["value"] == 0.0


def test_a_run_of_errors_alone_has_no_evaluable_rate(
    copied: Callable[..., Any], figures: Callable[..., dict[str, Any]], tau2_gym: Command
) -> None:
    folder = copied("oracle")
    folder.write_lines(
        "episodes", [each | {"termination": "infrastructure_error"} for each in folder.lines("episodes")]
    )
    assert tau2_gym("grade", folder).exit_code == 0
    found = figures(folder)
    assert found["evaluable_rate"] is None
    assert (found["strict_rate"]["value"], found["coverage"], found["mean_reward"]) == (0.0, 0.0, 0.0)
    assert {each["strict_rate"] for each in found["criteria"].values()} == {None}
    assert Path(found["folder"]) == folder.path
    assert "evaluable  –" in tau2_gym("report", folder).stdout
