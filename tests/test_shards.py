"""Playing a run in shards and merging its parts gives the same as playing it in one run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tau2_core.cli.app import app
from typer.testing import CliRunner

from tests.conftest import Gym

RUN = ("run", "mock", "--trials", 3, "--agent", "random")
DURATIONS = {"name", "folder", "duration_seconds"}


def lines(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def by_slot(file: Path) -> list[Any]:
    return sorted(lines(file), key=lambda line: (line["trial"], line["task_id"]))


def summary(folder: Path) -> dict[str, Any]:
    content = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return {key: value for key, value in content.items() if key not in DURATIONS}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """Return the folder of a run or of a shard such as 1/2, not to be changed; each name is played once."""
    home = tmp_path_factory.mktemp("shards")

    def get(name: str, shard: str) -> Path:
        folder = home / shard.replace("/", "-of-") / name
        if not folder.exists():
            options = ["--shard", shard] if shard else []
            arguments = [*map(str, RUN), *options, "--out", str(folder.parent), "--name", name]
            done = CliRunner().invoke(app, arguments)
            assert done.exit_code == 0, done.output
        return folder

    return get


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


Copy = Callable[..., str]


@pytest.fixture
def copy(played: Callable[[str, str], Path], runs: Path) -> Copy:
    """Put a played run or shard into this test's folder of runs: `copy("part-1", "1/2")`."""

    def make(name: str, shard: str = "") -> str:
        shutil.copytree(played(name, shard), runs / name)
        return f"runs/{name}"

    return make


def copy_shards(copy: Copy, count: int, *numbers: int) -> list[str]:
    return [copy(f"part-{number}", f"{number}/{count}") for number in numbers or range(1, count + 1)]


def test_merged_shards_equal_the_whole_run(gym: Gym, copy: Copy, runs: Path) -> None:
    copy("whole")
    parts = copy_shards(copy, 4)
    merged = gym("merge", *reversed(parts), "--into", "runs/merged", "--json")
    assert merged.returncode == 0, merged.stderr
    sizes = [len(lines(runs.parent / part / "episodes.jsonl")) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    for name in ("episodes.jsonl", "grades.jsonl"):
        assert by_slot(runs / "merged" / name) == by_slot(runs / "whole" / name)
    assert lines(runs / "merged" / "tasks.jsonl") == lines(runs / "whole" / "tasks.jsonl")
    assert summary(runs / "merged") == summary(runs / "whole")
    slots = [(line["trial"], line["task_id"]) for line in lines(runs / "merged" / "episodes.jsonl")]
    tasks = [line["id"] for line in lines(runs / "merged" / "tasks.jsonl")]
    assert slots == [(trial, task) for trial in range(3) for task in tasks]
    assert {line["task_id"] for line in lines(runs / "merged" / "timings.jsonl")} == set(tasks)
    same = gym("compare", "runs/whole", "runs/merged")
    assert same.returncode == 0, same.stdout + same.stderr


def test_resume_plays_what_no_shard_has_played(gym: Gym, copy: Copy, runs: Path) -> None:
    copy("whole")
    parts = copy_shards(copy, 3, 1, 3)
    merged = gym("merge", *parts, "--into", "runs/merged")
    assert "runs/merged" in merged.stdout
    assert len(lines(runs / "merged" / "episodes.jsonl")) < len(lines(runs / "whole" / "episodes.jsonl"))
    assert gym(*RUN, "--name", "merged", "--resume").returncode == 0
    assert by_slot(runs / "merged" / "grades.jsonl") == by_slot(runs / "whole" / "grades.jsonl")
    assert summary(runs / "merged") == summary(runs / "whole")


def test_a_stopped_shard_resumes_with_its_own_slots(gym: Gym, copy: Copy, runs: Path) -> None:
    (part,) = copy_shards(copy, 2, 2)
    whole = (runs / "part-2" / "episodes.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    for name in ("episodes.jsonl", "grades.jsonl"):
        file = runs.parent / part / name
        kept = file.read_text(encoding="utf-8").splitlines(keepends=True)[:2]
        file.write_text("".join(kept), encoding="utf-8")
    assert gym(*RUN, "--shard", "2/2", "--name", "part-2", "--resume").returncode == 0
    played = (runs / "part-2" / "episodes.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    assert sorted(played) == sorted(whole)


class TestWhatCannotBeMerged:
    def refused(self, gym: Gym, *parts: str, status: int = 1) -> str:
        done = gym("merge", *parts, "--into", "runs/merged")
        assert (done.returncode, done.stdout) == (status, ""), done.stderr
        return done.stderr

    def test_parts_of_different_runs(self, gym: Gym, copy: Copy, runs: Path) -> None:
        (part,) = copy_shards(copy, 2, 1)
        assert gym(*RUN, "--seed", 7, "--shard", "2/2", "--name", "other").returncode == 0
        message = self.refused(gym, part, "runs/other")
        assert message == (
            "error: runs/part-1 and runs/other are not parts of one run: seed is 300 in the first and 7 in the second\n"
        )
        assert not (runs / "merged").exists()

    def test_different_episodes_of_one_slot(self, gym: Gym, copy: Copy, runs: Path) -> None:
        copy_shards(copy, 2, 1)
        copy("again", "1/2")
        file = runs / "again" / "episodes.jsonl"
        first, *rest = lines(file)
        file.write_text("".join(json.dumps(line) + "\n" for line in [{**first, "steps": 99}, *rest]), encoding="utf-8")
        message = self.refused(gym, "runs/part-1", "runs/again")
        assert f"different episodes of task '{first['task_id']}', trial {first['trial']}" in message
        assert not (runs / "merged").exists()

    def test_equal_episodes_of_one_slot_are_taken_once(self, gym: Gym, copy: Copy, runs: Path) -> None:
        copy_shards(copy, 2, 1)
        copy("again", "1/2")
        assert gym("merge", "runs/part-1", "runs/again", "--into", "runs/merged").returncode == 0
        assert by_slot(runs / "merged" / "episodes.jsonl") == by_slot(runs / "part-1" / "episodes.jsonl")

    @pytest.mark.parametrize("parts", [("runs/part-1", "runs/again"), ("runs/again", "runs/part-1")])
    def test_an_infrastructure_error_gives_way(self, gym: Gym, copy: Copy, runs: Path, parts: tuple[str, str]) -> None:
        copy_shards(copy, 2, 1)
        copy("again", "1/2")
        file = runs / "again" / "episodes.jsonl"
        first, *rest = lines(file)
        failed = {**first, "termination": "infrastructure_error", "error": "the endpoint is gone"}
        file.write_text("".join(json.dumps(line) + "\n" for line in [failed, *rest]), encoding="utf-8")
        assert gym("merge", *parts, "--into", "runs/merged").returncode == 0
        assert by_slot(runs / "merged" / "episodes.jsonl") == by_slot(runs / "part-1" / "episodes.jsonl")

    def test_one_folder(self, gym: Gym, copy: Copy, runs: Path) -> None:
        (part,) = copy_shards(copy, 2, 1)
        message = self.refused(gym, part, f"{part}/../part-1", status=2)
        assert message == "error: name two or more run folders to merge\n"

    def test_no_run(self, gym: Gym, copy: Copy) -> None:
        (part,) = copy_shards(copy, 2, 1)
        assert "runs/part-2 contains no run" in self.refused(gym, part, "runs/part-2", status=2)

    def test_a_folder_that_exists_already_stays_as_it_is(self, gym: Gym, copy: Copy, runs: Path) -> None:
        parts = copy_shards(copy, 2)
        before = (runs / "part-1" / "episodes.jsonl").read_bytes()
        done = gym("merge", *parts, "--into", "runs/part-1")
        assert (done.returncode, done.stdout) == (1, "")
        assert "runs/part-1 already exists" in done.stderr
        assert (runs / "part-1" / "episodes.jsonl").read_bytes() == before


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1/0", "2", "a/b", "-1/2", "1/2/3", "１/２"])
def test_an_invalid_shard_is_refused(gym: Gym, shard: str) -> None:
    done = gym(*RUN, f"--shard={shard}")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"such as 3/16, not {shard!r}" in done.stderr


def test_more_shards_than_slots_are_refused(gym: Gym) -> None:
    done = gym("run", "mock", "--num-tasks", 2, "--shard", "1/3")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there are 2 slots, too few for 3 shards" in done.stderr


@pytest.mark.parametrize("gate", ["--fail-under", "--min-coverage"])
def test_a_shard_has_no_gate(gym: Gym, gate: str) -> None:
    done = gym(*RUN, "--shard", "1/2", gate, "0.5")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{gate} is about a whole run, not a shard" in done.stderr
