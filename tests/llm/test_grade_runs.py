"""`tau2-gym grade RUN`: what awaits a judge is judged later; nothing is played, and one set grades a whole folder."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from tau2_core.cli.app import app
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import Answer, Asked, ScriptedEndpoint, say
from typer.testing import CliRunner, Result

Gym = Callable[..., CompletedProcess[str]]
_numbers = itertools.count(1)
JUDGED = 12  # the mock's tasks whose reward basis is the manifest's


class Judge:
    """Finds everything met, but says prose where `unusable` tells so of what is asked; keeps what it was asked of.

    The first request is the probe.
    """

    def __init__(self, unusable: Callable[[int], bool] = lambda _number: False) -> None:
        self.script = GoldScript([])
        self.unusable = unusable
        self.about: list[str] = []

    def __call__(self, asked: Asked) -> Answer:
        self.about.append(asked.messages[1]["content"])
        return say("It went well.") if self.unusable(asked.number) else self.script(asked)


def judge_options(url: str, model: str = "openai/judge") -> list[str]:
    return ["--judge-model", model, "--judge-args", json.dumps({"api_base": url, "api_key": "none"})]


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def pack(mock_copy: Path) -> Path:
    """The mock pack with a judge's word in most rewards, as a package of its own: this process may know the other."""
    folder = mock_copy.rename(mock_copy.with_name(f"judged_{next(_numbers)}"))
    for file in folder.rglob("*.py"):
        file.write_text(file.read_text().replace(mock_copy.name, folder.name))
    manifest = folder / "domain.yaml"
    manifest.write_text(manifest.read_text().replace("[DB, COMMUNICATE]", "[DB, COMMUNICATE, NL_ASSERTION]"))
    return folder


@pytest.fixture
def command(pack: Path) -> Callable[..., Result]:
    """Run a command in this process, so that litellm is imported once: `command("grade", folder, judge=Judge())`."""

    def run(*arguments: object, judge: Judge | None = None, model: str = "openai/judge") -> Result:
        told = [*map(str, arguments), "--pack", str(pack)]
        if judge is None:
            return CliRunner().invoke(app, told, catch_exceptions=False)
        with ScriptedEndpoint(judge) as endpoint:
            done = CliRunner().invoke(app, [*told, *judge_options(endpoint.url, model)], catch_exceptions=False)
        assert endpoint.failures == []
        return done

    return run


@pytest.fixture
def played(gym: Gym, pack: Path, tmp_path: Path) -> Path:
    """A run's folder, without a judge."""
    assert gym("run", "mock", "--pack", pack, "--name", "r").returncode == 0
    return tmp_path / "runs" / "r"


def outcomes(folder: Path) -> dict[str, int]:
    found: dict[str, int] = json.loads((folder / "summary.json").read_text())["outcomes"]
    return found


class TestJudging:
    def test_judging_later_gives_the_same_grades(
        self, command: Callable[..., Result], played: Path, tmp_path: Path
    ) -> None:
        assert outcomes(played) == {"solved": 18 - JUDGED, "pending": JUDGED}
        episodes = (played / "episodes.jsonl").read_bytes()
        judge = Judge()
        done = command("grade", played, judge=judge)
        assert done.exit_code == 0, done.output
        assert f"openai/judge judged {JUDGED} of the {JUDGED} episodes asked about" in done.stdout
        assert len(judge.about) == 1 + JUDGED
        assert (played / "episodes.jsonl").read_bytes() == episodes
        assert outcomes(played) == {"solved": 18}

        at_once = tmp_path / "at_once"
        done = command("run", "mock", "--out", tmp_path, "--name", "at_once", judge=Judge())
        assert done.exit_code == 0, done.output
        for name in ("grades.jsonl", "judgements.jsonl"):
            both = [sorted((folder / name).read_bytes().splitlines()) for folder in (played, at_once)]
            assert both[0] == both[1]
        summaries = [json.loads((folder / "summary.json").read_text()) for folder in (played, at_once)]
        for summary in summaries:
            for own in ("name", "folder", "duration_seconds"):
                del summary[own]
        assert summaries[0] == summaries[1]

    def test_only_failed_judgements_are_repeated(self, command: Callable[..., Result], tmp_path: Path) -> None:
        bad = Judge(unusable=lambda number: 0 < number <= 4)  # two answers each of two episodes
        done = command("run", "mock", "--out", tmp_path, "--name", "r", "--concurrency", 1, judge=bad)
        assert done.exit_code == 0, done.output
        folder = tmp_path / "r"
        assert outcomes(folder) == {"solved": 16, "judge_error": 2}
        (report,) = json.loads(CliRunner().invoke(app, ["report", str(folder), "--json"]).stdout)
        assert (report["errors"]["judge"], report["coverage"]) == (2, 16 / 18)

        still_bad = Judge(unusable=lambda number: number > 0)
        done = command("grade", folder, judge=still_bad)
        assert done.exit_code == 1
        assert "the judge failed on 2 episodes" in done.stderr
        assert "judged 0 of the 2 episodes asked about" in done.stdout
        assert outcomes(folder) == {"solved": 16, "judge_error": 2}

        judge = Judge()
        assert command("grade", folder, judge=judge).exit_code == 0
        assert sorted(judge.about[1:]) == sorted({bad.about[1], bad.about[3]})
        assert outcomes(folder) == {"solved": 18}
        silent = Judge()
        assert command("grade", folder, judge=silent).exit_code == 0
        assert silent.about == []  # nothing is missing, so not even the probe is made

    def test_an_unusable_judge_is_refused(self, command: Callable[..., Result], played: Path) -> None:
        before = {file.name: file.read_bytes() for file in played.iterdir()}
        with pytest.raises(Exception, match="the judge 'openai/judge' is not usable: not JSON"):
            command("grade", played, judge=Judge(unusable=lambda _number: True))
        assert {file.name: file.read_bytes() for file in played.iterdir()} == before

    def test_a_killed_grading_can_be_repeated(self, command: Callable[..., Result], played: Path, pack: Path) -> None:
        grades = (played / "grades.jsonl").read_bytes()
        process: subprocess.Popen[bytes] | None = None

        def killing(number: int) -> bool:
            if number == 6:
                assert process is not None
                process.send_signal(signal.SIGKILL)
            return False

        with ScriptedEndpoint(Judge(unusable=killing)) as endpoint:
            told = ["grade", str(played), "--pack", str(pack), "--concurrency", "1", *judge_options(endpoint.url)]
            process = subprocess.Popen([sys.executable, "-P", "-m", "tau2_core", *told], env={**os.environ})
            assert process.wait(100) == -signal.SIGKILL
        kept = lines(played / "judgements.jsonl")
        assert len(kept) == 5
        assert (played / "grades.jsonl").read_bytes() == grades
        with (played / "judgements.jsonl").open("a") as stream:
            stream.write('{"task_id": "half a li')

        judge = Judge()
        assert command("grade", played, judge=judge).exit_code == 0
        assert len(judge.about) == 1 + JUDGED - 5
        assert lines(played / "judgements.jsonl")[:5] == kept
        assert outcomes(played) == {"solved": 18}

    def test_judgements_of_two_models_are_not_mixed(self, command: Callable[..., Result], tmp_path: Path) -> None:
        folder = tmp_path / "r"
        command("run", "mock", "--out", tmp_path, "--name", "r", "--num-tasks", 6, judge=Judge())
        asked = len(lines(folder / "judgements.jsonl"))
        other = Judge()
        assert command("grade", folder, judge=other, model="openai/judge-2").exit_code == 0
        assert len(other.about) == 1 + asked
        assert [line["model"] for line in lines(folder / "judgements.jsonl")[asked:]] == ["openai/judge-2"] * asked
        back = Judge()
        resumed = ["run", "mock", "--out", tmp_path, "--name", "r", "--num-tasks", 6, "--resume"]
        assert command(*resumed, judge=back).exit_code == 0
        assert len(back.about) == 1 + asked

    def test_a_cassette_can_judge(self, command: Callable[..., Result], played: Path, gym: Gym, pack: Path) -> None:
        cassette = played.parent / "judge.jsonl"
        assert command("grade", played, "--record", cassette, judge=Judge()).exit_code == 0
        grades = (played / "grades.jsonl").read_bytes()
        (played / "judgements.jsonl").unlink()
        assert gym("grade", played, "--pack", pack).returncode == 0
        assert outcomes(played) == {"solved": 18 - JUDGED, "pending": JUDGED}
        done = gym("grade", played, "--pack", pack, "--judge-model", "openai/judge", "--replay", cassette)
        assert done.returncode == 0, done.stderr
        assert (played / "grades.jsonl").read_bytes() == grades


class TestGrading:
    def test_episodes_left_ungraded_by_a_kill_are_graded(self, gym: Gym, pack: Path, played: Path) -> None:
        grades = (played / "grades.jsonl").read_bytes()
        (played / "grades.jsonl").write_bytes(grades[: len(grades) // 2])
        (played / "summary.json").unlink()
        assert gym("grade", played, "--pack", pack).returncode == 0
        assert (played / "grades.jsonl").read_bytes() == grades
        assert outcomes(played) == {"solved": 18 - JUDGED, "pending": JUDGED}

    def test_another_evaluator_set_regrades_the_whole_folder(self, gym: Gym, pack: Path, played: Path) -> None:
        grades = (played / "grades.jsonl").read_bytes()
        done = gym("grade", played, "--pack", pack, "--evaluators", "strict", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["evaluators"] == "strict"
        assert [grade["evaluators"] for grade in lines(played / "grades.jsonl")] == ["strict"] * 18
        assert json.loads(gym("report", played, "--json").stdout)[0]["evaluators"] == "strict"

        assert gym("grade", played, "--pack", pack).returncode == 0  # stays with the set that has graded
        assert {grade["evaluators"] for grade in lines(played / "grades.jsonl")} == {"strict"}

        resumed = gym("run", "mock", "--pack", pack, "--name", "r", "--resume")
        assert resumed.returncode == 0, resumed.stderr
        assert (played / "grades.jsonl").read_bytes() == grades


class TestRefusals:
    def test_wrong_options(self, gym: Gym, pack: Path, played: Path) -> None:
        before = {file.name: file.read_bytes() for file in played.iterdir()}
        for arguments, message in (
            (["--compare"], "--compare is for files"),
            (["results.json"], "results.json is not a run"),
            (["--evaluators", "tua2"], "did you mean 'tau2'"),
            (["--judge-args", "{}"], "give --judge-model too"),
            (["--replay", "x"], "give --judge-model too"),
        ):
            done = gym("grade", played, "--pack", pack, *arguments)
            assert done.returncode == 2
            assert message in done.stderr
        assert {file.name: file.read_bytes() for file in played.iterdir()} == before

    def test_a_judge_for_result_files(self, gym: Gym, tmp_path: Path) -> None:
        done = gym("grade", tmp_path, "--judge-model", "openai/judge")
        assert done.returncode == 2
        assert "--judge-model is for runs" in done.stderr

    def test_a_changed_pack_is_refused(self, gym: Gym, pack: Path, played: Path) -> None:
        with (pack / "handlers" / "__init__.py").open("a") as stream:
            stream.write("\n# changed\n")
        done = gym("grade", played, "--pack", pack)
        assert done.returncode == 1
        assert "was played with another pack" in done.stderr

    def test_a_run_in_progress_is_refused(self, gym: Gym, pack: Path, played: Path) -> None:
        fcntl = pytest.importorskip("fcntl")
        handle = os.open(played, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX)
        done = gym("grade", played, "--pack", pack)
        os.close(handle)
        assert done.returncode == 1
        assert "another process is writing" in done.stderr
