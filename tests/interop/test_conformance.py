"""The server scenarios of the MCP conformance suite pass, or docs/reference/mcp-conformance.md says why not.

The episode is of a pack with those of the tools that the suite calls by name which a domain can have.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "mcp-conformance.md"
ROW = re.compile(r"^\| (?P<names>`[^|]+`) \| (?P<result>pass|empty|warning|fail) \|(?P<why>[^|]*)\|$", re.MULTILINE)
FOLDER_NAME = re.compile(r"server-(?P<scenario>.+)-\d{4}-\d\d-\d\dT[\d-]+Z$")
SUITES = {
    "2025-11-25": ("@modelcontextprotocol/conformance", []),
    "2025-11-25, next suite": ("conformance-next", ["--spec-version", "2025-11-25"]),
    "2026-07-28": ("conformance-next", ["--spec-version", "2026-07-28"]),
}
EXTENSIONS = re.compile(r"(tasks|sep-2640)-")  # optional parts of the protocol, which an episode does not announce

# Of each scenario: of each status, the ids of the checks.
Outcomes: TypeAlias = dict[str, dict[str, set[str]]]


@pytest.fixture(scope="module")
def run_suite(node: Callable[..., str], node_packages: Path, gym_server: Any) -> Callable[..., Outcomes]:
    """Run all scenarios of a suite against a new episode, once."""
    known: dict[str, Outcomes] = {}

    def run(suite: str, folder: Path) -> Outcomes:
        if suite not in known:
            package, options = SUITES[suite]
            script = node_packages.parent / package / "dist" / "index.js"
            url = gym_server.create("conformance")["mcp_url"]
            arguments = ["server", "--url", url, "--suite", "all", "-o", str(folder), *options]
            node("node", str(script), *arguments, ok=(0, 1))
            known[suite] = read(folder)
        return known[suite]

    return run


def read(folder: Path) -> Outcomes:
    """Read what a suite has written."""
    outcomes: Outcomes = {}
    for file in folder.glob("*/checks.json"):
        match = FOLDER_NAME.match(file.parent.name)
        assert match, file
        outcome: dict[str, set[str]] = defaultdict(set)
        for check in json.loads(file.read_text(encoding="utf-8")):
            outcome[check["status"]].add(check["id"])
        if not EXTENSIONS.match(match["scenario"]):
            outcomes[match["scenario"]] = outcome
    return outcomes


def documented() -> dict[str, set[str]]:
    """Return what the document names under each result: scenarios, and `scenario/check` where it is about one check."""
    named: dict[str, set[str]] = defaultdict(set)
    for row in ROW.finditer(DOCUMENT.read_text(encoding="utf-8")):
        named[row["result"]].update(re.findall(r"`([^`]+)`", row["names"]))
    return named


@pytest.mark.parametrize("suite", SUITES)
def test_what_does_not_pass_is_documented(suite: str, run_suite: Callable[..., Outcomes], tmp_path: Path) -> None:
    named = documented()
    excused = named["fail"] | named["warning"]
    listed = {name.partition("/")[0] for names in named.values() for name in names}
    outcomes = run_suite(suite, tmp_path)
    assert len(outcomes) > 30
    assert outcomes.keys() <= listed
    for scenario, checks in outcomes.items():
        warnings = set() if scenario in named["empty"] else checks["WARNING"]
        for check in checks["FAILURE"] | warnings:
            assert {scenario, f"{scenario}/{check}"} & excused, f"{suite}: {scenario}/{check} does not pass"
        if scenario in named["pass"]:
            assert checks["SUCCESS"], f"{suite}: {scenario} checked nothing"


def test_what_is_documented_is_so(run_suite: Callable[..., Outcomes], tmp_path: Path) -> None:
    failing: set[str] = set()
    warning: set[str] = set()
    run: set[str] = set()
    for number, suite in enumerate(SUITES):
        for scenario, checks in run_suite(suite, tmp_path / str(number)).items():
            run.add(scenario)
            failing |= (
                {scenario, *(f"{scenario}/{check}" for check in checks["FAILURE"])} if checks["FAILURE"] else set()
            )
            warning |= {f"{scenario}/{check}" for check in checks["WARNING"]}
    named = documented()
    assert named["fail"] <= failing
    assert named["warning"] <= warning
    assert named["pass"] | named["empty"] <= run
