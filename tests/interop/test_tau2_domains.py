"""The official domains in Python, wrapped by `--pack-tau2` in an environment where only tau2-bench and the core are.

`TAU2_BENCH` names a checkout of tau2-bench, which is installed from there with our core. Its airline, retail, telecom
and mock are played over calls that were recorded from it: every content, outcome, hash and assertion must agree.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.interop.test_installation import interpreter

CHECKOUT = os.environ.get("TAU2_BENCH", "")
CORE = Path(__file__).parents[2] / "core"
DOMAINS = ("airline", "retail", "telecom", "mock")
CLOSING = re.compile(r"episodes (?P<episodes>\d+), calls (?P<calls>\d+), mismatches (?P<mismatches>\d+)")
PYTHONS = ("3.12", "3.13")  # those that tau2-bench supports
Run: TypeAlias = Callable[..., str]

pytestmark = pytest.mark.skipif(
    not CHECKOUT or not (Path(CHECKOUT) / "src" / "tau2").is_dir(),
    reason="TAU2_BENCH names no checkout of tau2-bench, so its Python domains are not played",
)


@pytest.fixture(scope="module")
def official(tools: Path, program: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run our command beside the official package: `official("replay", FILE)`."""
    found = next(filter(None, map(interpreter, PYTHONS)), None)
    if found is None:
        pytest.skip(f"tau2-bench needs Python {' or '.join(PYTHONS)}, which is not on this machine")
    home = tools / "tau2-bench"
    python = home / "bin" / "python"
    if not (done := home / "installed").exists():
        program([str(found), "-m", "venv", "--clear", str(home)])
        program([str(python), "-m", "pip", "install", "-q", "--editable", CHECKOUT, str(CORE)])
        done.touch()
    folder = tmp_path_factory.mktemp("wrapped")

    def run(*arguments: object) -> str:
        own = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        data = {"TAU2_DATA_DIR": str(Path(CHECKOUT).resolve() / "data"), "NO_COLOR": "1"}
        return program([str(python), "-m", "tau2_core", *map(str, arguments)], cwd=folder, env=own | data, ok=(0, 1))

    return run


@pytest.fixture(scope="module")
def target(official: Run, tools: Path, program: Run) -> Run:
    """Return the target of a domain: its module, with the factory if that has another name (the first, if several)."""
    assert official("plugins")
    listing = "import sys, importlib; print(*vars(importlib.import_module(sys.argv[1])))"

    def find(domain: str) -> str:
        module = f"tau2.domains.{domain}.environment"
        names = program([str(tools / "tau2-bench" / "bin" / "python"), "-c", listing, module]).split()
        factories = [name for name in names if name.startswith("get_environment")]
        return module if "get_environment" in factories else f"{module}:{factories[0]}"

    return find


@pytest.mark.parametrize("domain", DOMAINS)
def test_recorded_calls_are_replayed_without_a_mismatch(official: Run, target: Run, shared: Path, domain: str) -> None:
    files = sorted((shared / "conformance" / "calls").glob(f"{domain}*.jsonl.gz"))
    found = official("replay", *files, "--pack-tau2", target(domain))
    closing = CLOSING.search(found)
    assert closing is not None, found
    assert int(closing["calls"]) > 0
    assert int(closing["mismatches"]) == 0, found


@pytest.mark.parametrize("domain", DOMAINS)
def test_gold_calls_reach_the_gold_state(official: Run, target: Run, domain: str) -> None:
    options = ("--num-tasks", "5", "--name", f"oracle-{domain}", "--json")
    summary = json.loads(official("run", domain, *options, "--pack-tau2", target(domain)))
    assert summary["finished"] == 5
    assert set(summary["outcomes"]) <= {"solved", "failed", "pending"}, summary


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_written_pack_has_the_same_tools(official: Run, target: Run, tmp_path: Path, domain: str) -> None:
    name = f"{domain}_to_move"
    official("new", name, "--from-tau2", target(domain), "--dir", tmp_path)
    moved = json.loads(official("describe", name, "--json", "--pack", tmp_path / name))
    assert moved
    assert moved == json.loads(official("describe", domain, "--json", "--pack-tau2", target(domain)))
