"""`tau2-gym grade FILE --compare`: recorded verdicts against ours, in every layout, check by check"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.forked import Forks

Gym = Callable[..., CompletedProcess[str]]
# What newer files hold and older ones lack (spec/evaluation.md, 8.6).
NEW_INFO = ("text_streaming_config", "speech_complexity", "audio_native_config", "retrieval_config")
NEW_SIMULATION = ("mode", "ticks", "policy", "review", "info", "timestamp", "speech_environment")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, forks: Forks) -> Path:
    """A folder with two runs of the mock domain as official results: one file `run.json`, one folder `folder`."""
    folder = tmp_path_factory.mktemp("exported")

    def command(*arguments: str) -> None:
        done = forks.run(arguments, cwd=folder, env=os.environ, timeout=120)
        assert done.returncode == 0, done.stderr

    command("run", "mock", "--name", "good")
    command("run", "mock", "--name", "bad", "--agent", "silent")
    command("export", "runs/good", "run.json")
    command("export", "runs/bad", "folder", "--format", "dir")
    return folder


@pytest.fixture
def results(exported: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((exported / "run.json").read_text(encoding="utf-8"))
    return found


def write(folder: Path, content: Any, name: str = "results.json") -> Path:
    file = folder / name
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def of(results: dict[str, Any], task: str) -> dict[str, Any]:
    """Return the verdict that a file holds on a task."""
    found: dict[str, Any] = next(each for each in results["simulations"] if each["task_id"] == task)["reward_info"]
    return found


class TestAgreement:
    def test_exported_files_are_read_back_and_agree_in_both_layouts(self, gym: Gym, exported: Path) -> None:
        for path in (exported / "run.json", exported / "folder"):
            done = gym("grade", path, "--compare")
            assert done.stdout.endswith("conversations 18, agreed 18, disagreed 0, pending 0\n"), done.stderr
            assert done.returncode == 0
        assert "mean reward 0.0000: failed 18" in done.stdout

    def test_compressed_old_and_unknown_files_are_read(self, gym: Gym, results: dict[str, Any], tmp_path: Path) -> None:
        old = {**results, "format_version": 1, "info": {k: v for k, v in results["info"].items() if k not in NEW_INFO}}
        old["simulations"] = [
            {key: value for key, value in each.items() if key not in NEW_SIMULATION} | {"reasoning": "more"}
            for each in results["simulations"]
        ]
        with gzip.open(tmp_path / "old.json.gz", "wt") as file:
            json.dump(old, file)
        done = gym("grade", "old.json.gz", "--compare")
        assert done.stdout.endswith("conversations 18, agreed 18, disagreed 0, pending 0\n"), done.stderr

    def test_a_folder_of_files_is_graded_in_parallel_with_the_same_result(
        self, gym: Gym, exported: Path, tmp_path: Path
    ) -> None:
        both = tmp_path / "both"
        for name in ("a", "b"):
            (both / name).mkdir(parents=True)
            (both / name / "results.json").write_text((exported / "run.json").read_text())
        done = gym("grade", both, "--compare", "--workers", "2")
        assert done.stdout.endswith("conversations 36, agreed 36, disagreed 0, pending 0\n"), done.stderr

    @pytest.mark.domain("airline", "mock", "retail", "telecom")
    def test_recorded_conversations_of_the_official_benchmark(self, gym: Gym, shared: Path) -> None:
        folder = shared / "conformance" / "simulations"
        files = [*sorted((folder / "mock").glob("*.gz")), *sorted((folder / "telecom-workflow").glob("*.gz"))]
        files += sorted((folder / "airline").glob("*.gz"))[:1] + sorted((folder / "retail").glob("*.gz"))[:1]
        done = gym("grade", *files, "--dataset", shared / "tau2-bench", "--compare", "--json")
        agreement = json.loads(done.stdout)["agreement"]
        assert (done.returncode, agreement["disagreed"], agreement["disagreements"]) == (0, 0, [])
        assert agreement["agreed"] >= 28


class TestTampering:
    def test_every_changed_verdict_is_reported(self, gym: Gym, results: dict[str, Any], tmp_path: Path) -> None:
        of(results, "complete_task")["reward"] = 0.0
        of(results, "reopen_task")["db_check"]["db_match"] = False
        of(results, "create_plain")["action_checks"][0]["action_match"] = False
        of(results, "settle_a_reminder")["env_assertions"][1]["met"] = False
        of(results, "tell_whose_task")["communicate_checks"][0]["met"] = False
        of(results, "refuse_unknown_status")["reward_basis"] = ["DB"]
        file = write(tmp_path, results)
        done = gym("grade", file, "--compare")
        assert done.returncode == 1
        assert done.stdout.endswith("conversations 18, agreed 12, disagreed 6, pending 0\n")
        told = [line for line in done.stdout.splitlines() if line.startswith(f"{file}: ")]
        assert len(told) == 6
        for task, what in {
            "complete_task": "reward: recorded 0.0, ours 1.0",
            "reopen_task": "DB: recorded False, ours True; no path differs",
            "create_plain": "ACTION[0] create_plain_0: ",
            "settle_a_reminder": "ENV_ASSERTION[1] ",
            "tell_whose_task": "COMMUNICATE[0] ",
            "refuse_unknown_status": "reward_basis: recorded ['DB'], ours ['DB', 'COMMUNICATE']",
        }.items():
            assert any(f"(task {task}): {what}" in line for line in told), (task, told)

    def test_a_changed_conversation_is_reported_with_the_differing_path(
        self, gym: Gym, results: dict[str, Any], tmp_path: Path
    ) -> None:
        simulation = next(each for each in results["simulations"] if each["task_id"] == "complete_task")
        calls = [call for message in simulation["messages"] for call in message.get("tool_calls") or []]
        next(call for call in calls if call["name"] == "update_task_status")["arguments"]["status"] = "pending"
        done = gym("grade", write(tmp_path, results), "--compare")
        assert done.returncode == 1
        assert "DB: recorded True, ours False; differs at tasks.task_5.status: 'completed' → 'pending'" in done.stdout

    def test_a_conversation_without_a_verdict_is_pending(
        self, gym: Gym, results: dict[str, Any], tmp_path: Path
    ) -> None:
        results["simulations"][0]["reward_info"] = None
        done = gym("grade", write(tmp_path, results), "--compare")
        assert (done.returncode, done.stdout.splitlines()[-1]) == (
            0,
            "conversations 18, agreed 17, disagreed 0, pending 1",
        )


class TestBadInput:
    def test_damaged_files_are_reported_and_the_others_graded(
        self, gym: Gym, results: dict[str, Any], tmp_path: Path
    ) -> None:
        good = write(tmp_path, results)
        (tmp_path / "cut.json").write_text(good.read_text()[:1000])
        (tmp_path / "cut.json.gz").write_bytes(gzip.compress(good.read_bytes())[:300])
        write(tmp_path, {"tasks": []}, "other.json")
        strange = {**results, "info": {**results["info"], "environment_info": {"domain_name": "aviation"}}}
        write(tmp_path, strange, "aviation.json")
        torn = json.loads(good.read_text())
        torn["simulations"][0]["messages"] = [{"role": "tool", "id": "x", "content": "y"}]
        torn["simulations"][1]["task_id"] = 7
        torn["simulations"][2]["reward_info"] = {"reward": "high"}
        write(tmp_path, torn, "torn.json")
        names = ["cut.json", "cut.json.gz", "other.json", "aviation.json", "torn.json"]
        done = gym("grade", good, *names, "--compare")
        assert done.returncode == 1
        problems = done.stderr.splitlines()
        assert all(any(f"error: {name}: " in line for line in problems) for name in names), problems
        assert any("no domain 'aviation' is installed" in line for line in problems)
        assert any("`task_id` should be text" in line for line in problems)
        assert "its reward_info cannot be read" in done.stderr
        assert done.stdout.splitlines()[-1].startswith("conversations 34, agreed 33, disagreed 1")

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["nowhere.json"], "nowhere.json"),
            (["run.json", "--evaluators", "tau3"], "no evaluator set 'tau3' (did you mean 'tau2'?)"),
            (["run.json", "--dataset", "nowhere"], "nowhere"),
        ],
    )
    def test_missing_files_are_refused(
        self, gym: Gym, exported: Path, tmp_path: Path, arguments: list[str], told: str
    ) -> None:
        (tmp_path / "run.json").write_text((exported / "run.json").read_text())
        done = gym("grade", *arguments)
        assert done.returncode in (1, 2)
        assert told in done.stderr
        assert "Traceback" not in done.stderr
