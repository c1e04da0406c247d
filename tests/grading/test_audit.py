"""`tau2-gym check --audit`: baselines that do not serve the customer, and the tasks that they pass"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

Gym = Callable[..., CompletedProcess[str]]
BASELINES = [
    "silent",
    "always-refuse",
    "always-transfer",
    "list-every-answer",
    "gold-and-every-answer",
    "gold-plus-one-unrelated-write",
    "gold-minus-one",
]


def audited(gym: Gym, *arguments: object) -> dict[str, Any]:
    done = gym("check", "--audit", "--json", *arguments)
    found: dict[str, Any] = json.loads(done.stdout)["audits"][0]
    return found


def replaced(file: Path, old: str, new: str) -> int:
    """Replace a text that occurs once, and return its line."""
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{file} has {old!r} {text.count(old)} times"
    file.write_text(text.replace(old, new), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


class TestOwnPacks:
    @pytest.mark.parametrize("evaluators", ["strict", "tau2"])
    @pytest.mark.domain("airline", "mock", "retail")
    def test_every_pass_in_the_audit_has_a_reason(self, gym: Gym, evaluators: str) -> None:
        done = gym("check", "--audit", "mock", "airline", "retail", "--evaluators", evaluators)
        assert (done.returncode, done.stderr) == (0, "")
        for domain, tasks in (("mock", 18), ("airline", 87), ("retail", 150)):
            assert f"{domain}: evaluators {evaluators}, tasks {tasks}, passes" in done.stdout
        assert done.stdout.count("not allowed 0, stale 0") == 3
        assert all(
            done.stdout.count(f"\n{baseline} ") + done.stdout.startswith(baseline) >= 3 for baseline in BASELINES
        )

    def test_strict_passes_no_baseline(self, gym: Gym) -> None:
        found = audited(gym, "mock")
        assert {(each["task"], each["baseline"]) for each in found["passes"]} == {
            ("transfer_deletion", "always-transfer")
        }
        assert found["played"] == dict.fromkeys(BASELINES, 18) | {"gold-and-every-answer": 5, "gold-minus-one": 13}

    def test_a_split_limits_the_audit_to_its_tasks(self, gym: Gym) -> None:
        done = gym("check", "--audit", "airline", "--split", "train", "--json")
        found = json.loads(done.stdout)["audits"][0]
        assert (done.returncode, found["stale"]) == (0, [])
        assert found["tasks"] < 87


class TestAllowList:
    def test_a_pass_that_is_not_allowed_fails(self, gym: Gym, mock_copy: Path) -> None:
        replaced(mock_copy / "domain.yaml", "tasks: [transfer_deletion]", "tasks: [refuse_unknown_status]")
        done = gym("check", "--audit", "--pack", mock_copy)
        assert done.returncode == 1
        assert "mock: always-transfer passes transfer_deletion\n" in done.stdout
        assert "passes 1, allowed 0, not allowed 1, stale 1" in done.stdout

    def test_a_reason_for_a_baseline_that_does_not_pass_is_stale(self, gym: Gym, mock_copy: Path) -> None:
        manifest = mock_copy / "domain.yaml"
        line = replaced(manifest, "tasks: [transfer_deletion]", "tasks: [transfer_deletion, complete_task]")
        done = gym("check", "--audit", "--pack", mock_copy)
        assert done.returncode == 1
        what = "evaluation.audit: always-transfer does not pass 'complete_task', so the entry is not needed"
        assert f"mock: {manifest}:{line}: {what} (remove it) [T2G086]\n" in done.stdout

    @pytest.mark.parametrize(
        ("old", "new", "told"),
        [
            (
                "tasks: [transfer_deletion]",
                "tasks: [transfer_deletion, transfer_deletoin]",
                "there is no task 'transfer_deletoin' (did you mean 'transfer_deletion'?)",
            ),
            (
                "baselines: [always-transfer]\n        because: By the policy",
                "baselines: [always-transfer, allways-transfer]\n        because: By the policy",
                "there is no baseline 'allways-transfer' (did you mean 'always-transfer'?)",
            ),
        ],
    )
    def test_an_unknown_task_or_baseline_is_stale(
        self, gym: Gym, mock_copy: Path, old: str, new: str, told: str
    ) -> None:
        replaced(mock_copy / "domain.yaml", old, new)
        done = gym("check", "--audit", "--pack", mock_copy)
        assert done.returncode == 1
        assert told in done.stdout

    def test_an_empty_reason_is_refused(self, gym: Gym, mock_copy: Path) -> None:
        manifest = mock_copy / "domain.yaml"
        text = manifest.read_text(encoding="utf-8")
        manifest.write_text(text.partition("    strict:")[0] + "    strict: [{tasks: [a], baselines: [silent]}]\n")
        done = gym("check", "--audit", "--pack", mock_copy)
        assert done.returncode == 1
        assert "evaluation.audit.strict.0.because: Field required" in done.stderr


class TestPasses:
    def test_every_baseline_is_explained(self, gym: Gym, mock_copy: Path) -> None:
        tasks = mock_copy / "data" / "tasks" / "statuses.yaml"
        line = replaced(tasks, "- id: complete_task\n", "- id: complete_task\n  tags: [looked_at]\n")
        assert line > 0
        text = tasks.read_text(encoding="utf-8").split("- id: ")
        (found,) = (part for part in text if part.startswith("complete_task\n"))
        looser = found.replace("actions:", "reward_basis: [ACTION]\n    actions:")
        tasks.write_text("- id: ".join(looser if part is found else part for part in text), encoding="utf-8")
        audit = audited(gym, "--pack", mock_copy, "--evaluators", "tau2")
        ways = {each["baseline"]: each["how"] for each in audit["passes"] if each["task"] == "complete_task"}
        assert list(ways) == ["gold-plus-one-unrelated-write"]
        assert ways["gold-plus-one-unrelated-write"].startswith("with create_task(")

    def test_a_datasets_passes_are_reported_without_failing(self, gym: Gym, shared: Path) -> None:
        done = gym("check", "--audit", "mock", "--dataset", shared / "tau2-bench", "--evaluators", "tau2", "--json")
        audit = json.loads(done.stdout)["audits"][0]
        assert (done.returncode, audit["tasks"], audit["stale"]) == (0, 10, [])
        assert audit["passes"]
        assert not any(each["allowed"] for each in audit["passes"])


class TestOptions:
    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["--evaluators", "tau2"], "--evaluators is an option of the audit: add --audit"),
            (["--split", "base"], "--split is an option of the audit: add --audit"),
            (["--audit", "--evaluators", "strct"], "no evaluator set 'strct' (did you mean 'strict'?)"),
            (["--audit", "--split", "tset"], "mock has no split 'tset' (did you mean 'test'?)"),
        ],
    )
    def test_invalid_options_of_the_audit_are_refused(self, gym: Gym, arguments: list[str], told: str) -> None:
        done = gym("check", "mock", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert told in done.stderr
