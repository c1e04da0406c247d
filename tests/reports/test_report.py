"""`tau2-gym report`: what it counts, how it looks, and what it refuses."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click import unstyle
from click.testing import Result
from tau2_core.errors import RunError, UsageError

Command = Callable[..., Result]
Figures = Callable[..., dict[str, Any]]
Folders = Callable[..., Any]


def test_every_figure_agrees_with_the_files(recorded: Folders, figures: Figures) -> None:
    folder = recorded("refusing")
    found, config = figures(folder), folder.read("run")
    grades, records = folder.lines("grades"), folder.lines("episodes")
    slots = len(config["tasks"]) * 4
    solved = sum(grade["reward"] == 1.0 for grade in grades)
    assert (found["tasks"], found["trials"], found["slots"], found["finished"]) == (slots // 4, 4, slots, slots)
    assert (found["coverage"], found["evaluable"]) == (1.0, slots)
    assert found["strict_rate"]["value"] == found["evaluable_rate"]["value"] == pytest.approx(solved / slots)
    assert found["mean_reward"] == pytest.approx(folder.read("summary")["mean_reward"])
    assert found["outcomes"] == dict(Counter(grade["outcome"] for grade in grades))
    assert found["terminations"] == dict(Counter(record["termination"] for record in records))
    assert found["tool_calls"] == sum(record["tool_calls"] for record in records)
    turns = [
        sum(message["role"] in ("assistant", "user") and "tool_calls" not in message for message in record["messages"])
        for record in records
    ]
    assert found["spread"]["turns"]["mean"] == pytest.approx(statistics.fmean(turns))
    assert found["spread"]["turns"]["median"] == statistics.median(turns)
    assert (found["spread"]["turns"]["least"], found["spread"]["turns"]["most"]) == (min(turns), max(turns))
    assert found["spread"]["steps"]["mean"] == pytest.approx(statistics.fmean(record["steps"] for record in records))
    seconds = [line["seconds"] for line in folder.lines("timings")]
    assert found["spread"]["seconds"]["median"] == statistics.median(seconds)
    assert "dollars" not in found["spread"]  # no model took part


def test_criteria_are_counted_slot_by_slot(recorded: Folders, figures: Figures) -> None:
    folder = recorded("refusing")
    verdicts = [grade["verdicts"].get("COMMUNICATE") for grade in folder.lines("grades")]
    vacuous = sum(each is not None and each["status"] == "vacuous" for each in verdicts)
    met = sum(each is not None and each["status"] == "graded" and each["reward"] == 1.0 for each in verdicts)
    found = figures(folder)["criteria"]["COMMUNICATE"]
    unmet = len(verdicts) - vacuous - met
    assert (found["met"], found["unmet"], found["vacuous"], found["unchecked"]) == (met, unmet, vacuous, 0)
    assert found["strict_rate"]["value"] == pytest.approx(met / (met + unmet))


def test_a_criterion_without_any_verdict_has_no_rate(recorded: Folders, figures: Figures) -> None:
    judged = figures(recorded("oracle"))["criteria"]["NL_ASSERTION"]  # there was no judge
    assert (judged["met"], judged["unmet"], judged["in_basis"]) == (0, 0, 0)
    assert judged["unchecked"] > 0
    assert judged["strict_rate"] is judged["evaluable_rate"] is None


def test_errors_are_classified_by_who_is_at_fault(copied: Folders, figures: Figures, tau2_gym: Command) -> None:
    folder = copied("oracle")
    ends = ["agent_error", "agent_error", "user_error", "infrastructure_error", "max_steps"]
    for number, end in enumerate(ends):
        folder.end(number, end)
    folder.write_lines("episodes", folder.lines("episodes")[:-1])
    assert tau2_gym("grade", folder).exit_code == 0
    found = figures(folder)
    assert found["errors"] == {"agent": 2, "user": 1, "judge": 0, "evaluator": 0, "infrastructure": 1, "unfinished": 1}
    assert (found["finished"], found["evaluable"]) == (53, 52)
    assert found["strict_rate"]["value"] == pytest.approx(48 / 54)
    assert found["evaluable_rate"]["value"] == pytest.approx(48 / 52)
    assert (found["outcomes"]["failed"], found["terminations"]["max_steps"]) == (1, 1)
    shown = tau2_gym("report", folder).stdout
    assert "errors by cause: agent 2, user 1, infrastructure 1, unfinished 1" in shown
    assert "coverage 96%" in shown
    assert "evaluable counts the 52 slots that have a reward" in shown


@pytest.mark.parametrize("width", [80, 120])
def test_the_report_fits_the_screen(
    copied: Folders, tau2_gym: Command, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TTY_COMPATIBLE", "1")  # rich takes the output for a terminal
    names = "20251123-113057-123456-mock-oracle", "20251123-113058-123456-mock-silent"
    first, second = (copied(name, new) for name, new in zip(("oracle", "silent"), names, strict=True))
    for done in (tau2_gym("report", first, second), tau2_gym("compare", first, second)):
        lines = unstyle(done.stdout).splitlines()
        assert sum("●" in line for line in lines) >= 3
        too_long = [line for line in lines if len(line) > width]
        assert all(" · agent " in line for line in too_long)  # names are not cut, and may be long
        assert "…" not in done.stdout


def test_several_runs_are_summed_up_below(recorded: Folders, tau2_gym: Command) -> None:
    lines = tau2_gym("report", recorded("oracle"), recorded("silent")).stdout.splitlines()
    overview = lines[-2:]
    assert [line.split()[:5] for line in overview] == [
        ["oracle", "·", "oracle", "·", "tau2"],
        ["silent", "·", "silent", "·", "tau2"],
    ]
    assert overview[0].split()[5:7] == ["100%", "1.000"]


def test_a_run_that_only_began_is_reported(copied: Folders, figures: Figures, tau2_gym: Command) -> None:
    folder = copied("oracle")
    for name in ("episodes.jsonl", "grades.jsonl", "timings.jsonl", "summary.json"):
        (folder.path / name).unlink()
    found = figures(folder)
    assert (found["finished"], found["coverage"], found["strict_rate"]["value"]) == (0, 0.0, 0.0)
    assert (found["errors"]["unfinished"], found["criteria"], found["spread"]) == (54, {}, {})
    assert "0 of 54 episodes · coverage 0%" in tau2_gym("report", folder).stdout


def test_folders_that_are_not_runs_are_refused(
    recorded: Folders, tau2_gym: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match=r"contains no run \(name a folder that `tau2-gym run` has created\)"):
        tau2_gym("report", tmp_path)
    monkeypatch.chdir(recorded("oracle").path.parent.parent)
    (tmp_path / "runs").symlink_to(recorded("oracle").path.parent)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"oracle contains no run \(did you mean runs/oracle\?\)"):
        tau2_gym("report", "oracle")


def test_damaged_files_are_named(copied: Folders, tau2_gym: Command) -> None:
    folder = copied("oracle")
    grades = folder.lines("grades")
    folder.write_lines("grades", [*grades[:-1], {**grades[-1], "evaluators": "strict"}])
    with pytest.raises(RunError, match="grades of the sets strict and tau2; grade it again with one"):
        tau2_gym("report", folder)
    folder.write_lines("grades", [{"task_id": "x"}])
    with pytest.raises(RunError, match=r"grades\.jsonl:1: it has the wrong form"):
        tau2_gym("report", folder)
    folder.set_config(format=99)
    with pytest.raises(RunError, match=r"run\.json is not of format 1"):
        tau2_gym("report", folder)
