"""A run killed at any moment and resumed: every slot is done exactly once, as in a run that nobody disturbed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import Answer, Asked, ScriptedEndpoint

from tests.forked import Forked, Forks

KILLS = 30
MODELS = {"agent": "endpoint/agent", "user": "endpoint/customer", "judge": "endpoint/judge"}
RUN = ["run", "mock", "--judge-all", "--trials", "2", "--concurrency", "5", "--name", "r"]

# Takes the command's place and counts what the run does to its folder: each file that it opens, renames or makes is a
# step, and each line that it appends two, of which the first has written half of it. At the given step it is no more.
KILLED = """
import os, runpy, signal, sys
left, folder = int(sys.argv[1]), sys.argv[2]
del sys.argv[1:3]
write = os.write

def step():
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def watch(event, args):
    if event in ("open", "os.rename", "os.mkdir", "os.truncate") and str(args[0]).startswith(folder):
        step()

def write_in_halves(handle, data):
    if not os.readlink(f"/proc/self/fd/{handle}").startswith(os.path.abspath(folder)):
        return write(handle, data)
    step()
    write(handle, data[: len(data) // 2])
    step()
    write(handle, data[len(data) // 2 :])
    step()
    return len(data)

sys.addaudithook(watch)
os.write = write_in_halves
runpy.run_module("tau2_core", run_name="__main__")
"""


def models_at(url: str) -> list[str]:
    arguments = json.dumps({"api_base": url, "api_key": "none"})
    return [part for role, model in MODELS.items() for part in (f"--{role}-model", model, f"--{role}-args", arguments)]


class Runs:
    """Runs the command in a folder, or a script that does."""

    def __init__(self, forks: Forks) -> None:
        self.forks = forks

    def start(self, *told: object, cwd: Path, script: Path | None = None) -> Forked:
        with (cwd / "output").open("w") as file:
            inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "TAU2_GYM"))}
            return self.forks.start(
                list(map(str, told)), cwd=cwd, env=inherited, stdout=file, stderr=file, script=script
            )

    def run(self, *told: object, cwd: Path, script: Path | None = None) -> int:
        """Return how it ended: well, or killed."""
        code = self.start(*told, cwd=cwd, script=script).wait(120)
        assert code in (0, -signal.SIGKILL), (cwd / "output").read_text()
        return code


@pytest.fixture(scope="module")
def runs(forks: Forks) -> Runs:
    return Runs(forks)


def whole_lines(file: Path) -> list[bytes]:
    return file.read_bytes().split(b"\n")[:-1] if file.exists() else []


def contents(folder: Path) -> dict[str, Any]:
    """Return what a finished run's folder says; only seconds, and the order of lines, may differ."""
    found: dict[str, Any] = {
        name: sorted(whole_lines(folder / name)) for name in ("episodes.jsonl", "grades.jsonl", "judgements.jsonl")
    }
    found["tasks.jsonl"] = (folder / "tasks.jsonl").read_bytes()
    found["timed"] = sorted(timed(folder))
    summary = json.loads((folder / "summary.json").read_text())
    found["summary"] = {key: value for key, value in summary.items() if key != "duration_seconds"}
    found["files"] = sorted(file.name for file in folder.iterdir())
    return found


def timed(folder: Path) -> list[str]:
    """Return the slots that are done."""
    lines = (json.loads(line) for line in whole_lines(folder / "timings.jsonl"))
    return [f"{line['task_id']}#{line['trial']}" for line in lines]


@pytest.fixture(scope="module")
def script(setting_of: Callable[..., Any]) -> GoldScript:
    return GoldScript.of(setting_of("mock"))


@pytest.fixture(scope="module")
def undisturbed(script: GoldScript, runs: Runs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that came to its end, recorded in `cassette.jsonl`."""
    place = tmp_path_factory.mktemp("undisturbed")
    with ScriptedEndpoint(script, keep=False) as endpoint:
        told = [*RUN, *models_at(endpoint.url), "--record", "cassette.jsonl"]
        assert runs.run(*told, cwd=place) == 0
    assert endpoint.failures == []
    return place


@pytest.mark.timeout(400)
def test_a_run_killed_at_any_moment_can_be_resumed(undisturbed: Path, runs: Runs, tmp_path: Path) -> None:
    """Chains of runs from the cassette, each killed and resumed until it is done."""
    killed = tmp_path / "killed.py"
    killed.write_text(KILLED)
    cassette = undisturbed / "cassette.jsonl"
    models = [part for role, model in MODELS.items() for part in (f"--{role}-model", model)]
    told: Sequence[object] = [*RUN, *models, "--replay", cassette]
    (tmp_path / "whole").mkdir()
    assert runs.run(*told, cwd=tmp_path / "whole") == 0
    expected = contents(tmp_path / "whole" / "runs" / "r")
    assert expected["summary"]["finished"] == expected["summary"]["slots"] == len(expected["episodes.jsonl"])
    assert expected["episodes.jsonl"] == contents(undisturbed / "runs" / "r")["episodes.jsonl"]

    moments = Random(6)
    kills = chains = 0
    while kills < KILLS:
        chains += 1
        place = tmp_path / f"chain{chains}"
        place.mkdir()
        folder = place / "runs" / "r"
        code = -signal.SIGKILL
        while code != 0:
            kept = {name: whole_lines(folder / name) for name in ("episodes.jsonl", "judgements.jsonl")}
            resume = ["--resume"] if folder.exists() else []
            step = moments.randint(1, 100 if resume else 12)  # how it begins has moments of its own
            code = runs.run(step, "runs/r", *told, *resume, cwd=place, script=killed)
            kills += code != 0
            for name, before in kept.items():
                assert set(before) <= set(whole_lines(folder / name)), f"chain {chains}, step {step}: {name} has lost"
        assert contents(folder) == expected


def test_a_run_killed_during_requests_repeats_no_finished_episode(
    script: GoldScript, undisturbed: Path, runs: Runs, tmp_path: Path
) -> None:
    """Killed at a request, and resumed: the models are not asked again about what is finished."""
    process: Forked | None = None
    expected = contents(undisturbed / "runs" / "r")
    requests = len(whole_lines(undisturbed / "cassette.jsonl"))
    moment = Random(6).randrange(requests // 4, requests * 3 // 4)

    def killing(asked: Asked) -> Answer:
        if asked.number == moment and process is not None:
            process.kill()
        return script(asked)

    with ScriptedEndpoint(killing) as endpoint:
        told = [*RUN, *models_at(endpoint.url), "--record", "cassette.jsonl"]
        process = runs.start(*told, cwd=tmp_path)
        assert process.wait(120) == -signal.SIGKILL
    finished = timed(tmp_path / "runs" / "r")
    assert 0 < len(finished) < expected["summary"]["slots"]
    with ScriptedEndpoint(script) as endpoint:
        told = [*RUN, *models_at(endpoint.url), "--record", "cassette.jsonl", "--resume"]
        assert runs.run(*told, cwd=tmp_path) == 0
    assert contents(tmp_path / "runs" / "r") == expected
    asked = [json.loads(line)["episode"] for line in whole_lines(tmp_path / "cassette.jsonl")]
    once = [json.loads(line)["episode"] for line in whole_lines(undisturbed / "cassette.jsonl")]
    assert {slot: asked.count(slot) for slot in finished} == {slot: once.count(slot) for slot in finished}
