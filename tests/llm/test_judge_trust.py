"""Judged results say how far they depend on the judge: its calibration, disagreement, and the corrected mean."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tau2_core.adapters.calibration_set import read_calibration_set
from tau2_core.cli.app import app
from tau2_core.episode.setting import Setting
from tau2_core.records.judge_calibration import CountedRate
from tau2_core.records.judge_correction import JudgedReward, corrected_mean
from tau2_core.records.statistics import clustered_rate, exact_rate
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import Answer, Asked, ScriptedEndpoint
from typer.testing import CliRunner, Result

from tests.conftest import MOCK

Command = Callable[..., Result]
TASKS = ("create_plain", "complete_task", "create_another")


class Judge:
    """Finds everything met."""

    def __init__(self) -> None:
        self.gold: GoldScript | None = None

    def __call__(self, asked: Asked) -> Answer:
        return GoldScript([]).judge(asked)


@pytest.fixture
def command(litellm_ready: None, judged: Setting, tmp_path: Path) -> Command:
    """Run a command in this process, with judges that find everything met."""

    def run(*arguments: object, judges: Sequence[str] = ("judge",), args: dict[str, Any] | None = None) -> Result:
        with ScriptedEndpoint(Judge()) as endpoint:
            given = json.dumps({"api_base": endpoint.url, "api_key": "none", **(args or {})})
            told = [part for name in judges for part in ("--judge-model", f"openai/{name}")]
            told += ["--judge-args", given] if judges else []
            done = CliRunner().invoke(app, [*map(str, arguments), *told])
        assert endpoint.failures == []
        return done

    return run


@pytest.fixture
def calibration(command: Command, tmp_path: Path) -> Path:
    """The calibration of that judge: it never fails a statement that holds, and passes all others."""
    few = tmp_path / "few.jsonl"
    cases = [case for case in read_calibration_set([MOCK / "calibration.jsonl"]).cases if case.kind != "injected"]
    few.write_text("".join(case.model_dump_json() + "\n" for case in cases))
    done = command("calibrate-judge", "--set", few, "--repeats", 1, "--out", tmp_path / "c.json")
    assert done.exit_code == 0, done.output
    return tmp_path / "c.json"


def fair(file: Path, *, wrong: int = 5) -> Path:
    """Turn a calibration into one of 100 cases of each kind, of which the judge decided `wrong` wrongly."""
    content = json.loads(file.read_text())
    rate = CountedRate(count=wrong, of=100, rate=exact_rate(wrong, 100)).model_dump(mode="json")
    right = CountedRate(count=200 - 2 * wrong, of=200, rate=exact_rate(200 - 2 * wrong, 200)).model_dump(mode="json")
    content |= {"accuracy": right, "false_pass": rate, "false_fail": rate, "cases": 200}
    made = file.with_name(f"fair{wrong}.json")
    made.write_text(json.dumps(content))
    return made


@pytest.fixture
def play(command: Command, judged: Setting, tmp_path: Path) -> Callable[..., Result]:
    """Play three tasks with a judge's word in their reward into the folder `r`."""

    def run(*options: object, **more: Any) -> Result:
        tasks = [part for task in TASKS for part in ("--task", task)]
        where = ("--pack", judged.pack.folder, "--out", tmp_path, "--name", "r")
        return command("run", "mock", *tasks, *where, *options, **more)

    return run


def test_a_run_shows_its_judges_calibration(
    play: Callable[..., Result], command: Command, calibration: Path, tmp_path: Path
) -> None:
    file = fair(calibration)
    done = play("--judge-calibration", file, "--trials", 2)
    assert done.exit_code == 0, done.output
    assert "the judge's calibration: accuracy 95.0% [" in done.stdout
    assert json.loads((tmp_path / "r/judge_calibration.json").read_text()) == json.loads(file.read_text())
    summary = json.loads((tmp_path / "r/summary.json").read_text())["judge"]
    (report,) = json.loads(command("report", tmp_path / "r", "--json", judges=()).stdout)
    assert report["judge"] == summary
    assert summary["calibration"]["false_pass"]["count"] == 5
    assert summary["mean_reward"]["value"] == 1.0  # 0.95/0.9 for each pass is more than there is
    assert summary["mean_reward"]["low"] < report["strict_rate"]["low"]
    shown = command("report", tmp_path / "r", judges=()).stdout
    assert "judge-corrected" in shown
    assert "false passes 5.0% [1.6%, 11.3%] (5 of 100)" in shown
    assert "its calibration: accuracy 95.0%" in command("show", tmp_path / "r", TASKS[0], judges=()).stdout
    compared = command("compare", tmp_path / "r", tmp_path / "r", judges=()).stdout
    assert all(f"{run}: the judge's calibration: accuracy 95.0%" in compared for run in "AB")


def test_a_merged_run_keeps_judgements_and_calibration(
    play: Callable[..., Result], command: Command, calibration: Path, tmp_path: Path
) -> None:
    file = fair(calibration)
    judgements: list[str] = []
    for number in ("1", "2"):
        done = play("--judge-calibration", file, "--trials", 2, "--shard", f"{number}/2", "--name", number)
        assert done.exit_code == 0, done.output
        judgements += (tmp_path / number / "judgements.jsonl").read_text().splitlines()
    merged = command("merge", tmp_path / "1", tmp_path / "2", "--into", tmp_path / "whole", judges=())
    assert merged.exit_code == 0, merged.output
    assert sorted((tmp_path / "whole/judgements.jsonl").read_text().splitlines()) == sorted(judgements)
    assert json.loads((tmp_path / "whole/judge_calibration.json").read_text()) == json.loads(file.read_text())
    summary = json.loads((tmp_path / "whole/summary.json").read_text())
    assert summary["judge"]["calibration"]["false_pass"]["count"] == 5
    assert summary["usage"]["judge"]["requests"] == len(judgements)


def test_a_judge_that_passes_everything_corrects_nothing(
    play: Callable[..., Result], calibration: Path, tmp_path: Path
) -> None:
    play("--judge-calibration", calibration)
    summary = json.loads((tmp_path / "r/summary.json").read_text())["judge"]
    assert summary["mean_reward"] is None
    assert summary["why"] == "by its calibration the judge is no better than chance, so the mean is not corrected"


def test_grade_and_report_take_a_calibration_too(
    play: Callable[..., Result], command: Command, calibration: Path, tmp_path: Path, judged: Setting
) -> None:
    play()
    summary = json.loads((tmp_path / "r/summary.json").read_text())["judge"]
    assert summary["why"].startswith("the judge is not calibrated")
    file = fair(calibration)
    shown = command("report", tmp_path / "r", "--judge-calibration", file, judges=()).stdout
    assert "judge-corrected" in shown
    assert not (tmp_path / "r/judge_calibration.json").exists()
    pack = ("--pack", judged.pack.folder)
    done = command("grade", tmp_path / "r", "--judge-calibration", file, *pack, judges=())
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "r/summary.json").read_text())["judge"]["calibration"]["cases"] == 200
    done = command("grade", tmp_path / "r", *pack, judges=["judge-other"])
    assert done.exit_code == 0, done.output
    summary = json.loads((tmp_path / "r/summary.json").read_text())["judge"]
    assert summary["calibration"] is None
    assert summary["why"].startswith("the calibration is of another judge: openai/judge")


def test_the_calibration_of_another_judge_is_refused(
    play: Callable[..., Result], command: Command, calibration: Path, tmp_path: Path
) -> None:
    for more in ({"judges": ["judge-other"]}, {"args": {"temperature": 0.5}}, {"judges": ["judge", "judge"]}):
        done = play("--judge-calibration", calibration, **more)
        assert "--judge-calibration is of another judge (openai/judge, prompt" in str(done.exception)
    assert "give --judge-model too" in str(play("--judge-calibration", calibration, judges=()).exception)
    assert "is no calibration of a judge" in str(play("--judge-calibration", tmp_path / "few.jsonl").exception)
    assert not (tmp_path / "r").exists()
    play(judges=["judge-other"])
    done = command("report", tmp_path / "r", "--judge-calibration", calibration, judges=())
    assert "was judged by openai/judge-other, but the calibration is of another judge" in str(done.exception)


def test_disagreement_is_reported(play: Callable[..., Result], tmp_path: Path, command: Command) -> None:
    play(judges=["judge-a", "judge-b"])
    file = tmp_path / "r/judgements.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    lines[0]["votes"][1]["statements"][0]["met"] = False  # judges that agree are all that the script has
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    shown = command("report", tmp_path / "r", judges=()).stdout
    statements = sum(len(line["statements"]) for line in lines)
    assert f"the judges disagreed on 1 of {statements} statements, in 1 of {len(lines)} episodes" in shown


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (["--min-judge-accuracy", "0.9"], 1, "the judge's accuracy is not known: the judge is not calibrated"),
        (["--min-judge-accuracy", "0.9", "CALIBRATED"], 0, ""),
        (["--min-judge-accuracy", "0.96", "CALIBRATED"], 1, "the judge's accuracy is 0.9500, less than 0.96"),
        (["--max-customer-faults", "0"], 0, ""),
        (["--max-customer-faults", "1.5"], 1, "--max-customer-faults should be between 0 and 1"),
    ],
)
def test_gates(play: Callable[..., Result], calibration: Path, options: list[str], code: int, told: str) -> None:
    if "CALIBRATED" in options:
        options = [*options[:-1], "--judge-calibration", str(fair(calibration))]
    done = play(*options)
    assert done.exit_code == code, done.output
    assert told in f"{done.stderr}{done.exception}"


def test_an_absent_figure_fails_the_gate(command: Command, tmp_path: Path) -> None:
    told = ("--task", "create_plain", "--out", tmp_path, "--name", "p", "--min-judge-accuracy", "0.5")
    done = command("run", "mock", *told, judges=())
    assert done.exit_code == 1
    assert "the judge's accuracy is not known: nothing was judged" in done.stderr
    done = command("report", tmp_path / "p", "--min-judge-accuracy", "0", "--max-customer-faults", "0", judges=())
    assert done.exit_code == 1
    assert "p: --min-judge-accuracy" in done.stderr
    assert "--max-customer-faults" not in done.stderr
    alone = ("--solo", "--user", "none", "--agent", "silent", "--out", tmp_path, "--name", "s")
    tasks = ("--split", "by_hand", "--num-tasks", 1)
    done = command("run", "telecom", *tasks, *alone, "--max-customer-faults", "1", judges=())
    assert "no episode's customer was reviewed, so the share is not known" in done.stderr


def rate(count: int, of: int) -> CountedRate:
    return CountedRate(count=count, of=of, rate=exact_rate(count, of))


@given(st.lists(st.integers(0, 3), min_size=2, max_size=20))
def test_a_perfect_judge_changes_the_mean_little(solved: list[int]) -> None:
    rewards = [
        JudgedReward(task, 0.0, 1.0, *((1, 0) if trial < count else (0, 1)))
        for task, count in enumerate(solved)
        for trial in range(3)
    ]
    plain = clustered_rate(solved, [3] * len(solved))
    found = corrected_mean(rewards, len(solved), 3, rate(0, 10**7), rate(0, 10**7))
    assert plain is not None
    assert found is not None
    assert found.value == pytest.approx(plain.value)
    assert found.low <= plain.low + 1e-3
    assert plain.high - 1e-3 <= found.high


@given(fp=st.integers(0, 40), ff=st.integers(0, 40), held=st.lists(st.booleans(), min_size=1, max_size=3))
def test_the_corrected_reward_is_right_on_average(fp: int, ff: int, held: list[bool]) -> None:
    false_pass, false_fail = fp / 100, ff / 100
    expected = 0.0
    for passes in range(2 ** len(held)):
        said = [bool(passes >> place & 1) for place in range(len(held))]
        chance = 1.0
        for holds, passed in zip(held, said, strict=True):
            wrong = false_fail if holds else false_pass
            chance *= 1 - wrong if passed is holds else wrong
        reward = JudgedReward(0, 0.0, 1.0, sum(said), len(said) - sum(said))
        expected += chance * reward.corrected(false_pass, false_fail)
    assert expected == pytest.approx(float(all(held)), abs=1e-9)


@pytest.mark.parametrize(("count", "of"), [(0, 20), (1, 20), (10, 20), (20, 20), (3, 1000)])
def test_exact_rates_are_scipys(count: int, of: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    wanted = stats.binomtest(count, of).proportion_ci(method="exact")
    found = exact_rate(count, of)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high))
