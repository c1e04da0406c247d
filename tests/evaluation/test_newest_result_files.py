"""The newest official result files are read and agree, and ours are files that the official loader accepts."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import jsonschema_rs
import pytest

from tests.evaluation.result_file_schema import RESULTS

Gym = Callable[..., CompletedProcess[str]]
LOADER = jsonschema_rs.validator_for(RESULTS)
# The newest recording of each domain, by its `timestamp`.
NEWEST = {
    "airline": "5e9186b3",
    "banking_knowledge": "scripted",
    "mock": "5c2ee84e",
    "retail": "1df8d0ee",
    "telecom": "16746095",
}
AT_MOST = 10  # conversations of a file
# Runs of ours with failed and unfinished episodes, a customer's tools, histories, and solo play.
RUNS = {
    "mock": ["--split", "base"],
    "telecom": ["--num-tasks", "3"],
    "retail": ["--num-tasks", "3", "--agent", "silent", "--max-steps", "4"],
    "airline": ["--num-tasks", "3", "--agent", "always-transfer", "--mode", "tau2"],
    "banking_knowledge": ["--num-tasks", "2"],
    "telecom solo": ["--num-tasks", "2", "--solo", "--user", "none"],
}


def wrong(content: Any) -> list[str]:
    return [
        f"{'.'.join(map(str, error.instance_path))}: {error.message}"[:300] for error in LOADER.iter_errors(content)
    ]


@pytest.mark.parametrize("domain", NEWEST)
def test_the_newest_official_file_is_read_and_agrees(gym: Gym, shared: Path, tmp_path: Path, domain: str) -> None:
    packed = shared / "conformance" / "simulations" / domain / f"{NEWEST[domain]}.json.gz"
    content = json.loads(gzip.decompress(packed.read_bytes()))
    assert wrong(content) == []
    content["simulations"] = content["simulations"][:AT_MOST]
    (tmp_path / "newest.json").write_text(json.dumps(content))
    done = gym("grade", "newest.json", "--dataset", shared / "tau2-bench", "--compare", "--json")
    agreement = json.loads(done.stdout)["agreement"]
    assert (done.returncode, agreement["disagreements"]) == (0, []), done.stderr
    assert agreement["agreed"] + agreement["pending"] == len(content["simulations"])
    assert agreement["agreed"] > 0


@pytest.mark.parametrize("name", RUNS)
def test_our_runs_are_files_of_the_newest_form(gym: Gym, tmp_path: Path, name: str, installed_domains: Any) -> None:
    domain = name.partition(" ")[0]
    if domain not in installed_domains:
        pytest.skip(f"the pack {domain} is not installed")
    assert gym("run", domain, *RUNS[name], "--name", "it").returncode == 0
    assert gym("export", "runs/it", "it.json").returncode == 0
    content = json.loads((tmp_path / "it.json").read_text())
    assert content["simulations"]
    assert wrong(content) == []
    assert all(simulation["mode"] == "half_duplex" for simulation in content["simulations"])
    again = gym("grade", "it.json", "--compare", "--json")
    agreement = json.loads(again.stdout)["agreement"]
    assert (again.returncode, agreement["disagreements"]) == (0, []), again.stderr


def test_the_schema_refuses_what_the_official_loader_refuses(gym: Gym, tmp_path: Path) -> None:
    assert gym("run", "mock", "--num-tasks", "1", "--name", "it").returncode == 0
    assert gym("export", "runs/it", "it.json").returncode == 0
    exported = (tmp_path / "it.json").read_text()
    damages: list[Callable[[Any], Any]] = [
        lambda content: content["simulations"][0]["reward_info"]["reward_breakdown"].update(OUTCOME=1.0),
        lambda content: content["simulations"][0].update(termination_reason="tired"),
        lambda content: content["simulations"][0].pop("task_id"),
        lambda content: content["info"].pop("max_steps"),
        lambda content: content["tasks"][0].update(id=1),
    ]
    for damage in damages:
        content = json.loads(exported)
        damage(content)
        assert wrong(content)
