"""Parameters whose names are no Python names: models see the name, the handler gets the alias."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bakery import FILES, in_process, write_bakery

TOOLS = FILES["tools/agent.yaml"].replace("loaf_id: {type: string}", "item-id: {type: string, alias: loaf_id}")
TASKS = FILES["data/tasks/selling.yaml"].replace("loaf_id: L1", "item-id: L1")


def test_a_handler_gets_the_alias(tmp_path: Path) -> None:
    pack = write_bakery(tmp_path / "bakery", {"tools/agent.yaml": TOOLS, "data/tasks/selling.yaml": TASKS})
    assert in_process("check", "--pack", pack).stdout == "bakery: clean (1 tools, 1 tasks, 1 played)\n"
    shown = in_process("describe", "bakery", "sell", "--pack", pack, "--json").stdout
    assert ("item-id" in shown, "alias" in shown) == (True, False)
    run = in_process("run", "bakery", "--pack", pack, "--json", "--out", tmp_path / "runs")
    assert json.loads(run.stdout)["mean_reward"] == 1.0


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("item-id: {type: string}", "give it an `alias` that is a Python name"),
        ("item-id: {type: string, alias: from}", "`alias` should be the name of a parameter in Python, not 'from'"),
        ("item-id: {type: string, alias: 5}", "`alias` should be the name of a parameter in Python, not 5"),
        ("from: {type: string, alias: item}", "from: the handler has no parameter 'item'"),
    ],
)
def test_an_invalid_alias_is_refused(tmp_path: Path, entry: str, told: str) -> None:
    tools = FILES["tools/agent.yaml"].replace("loaf_id: {type: string}", entry)
    tasks = FILES["data/tasks/selling.yaml"].replace("loaf_id: L1", f"{entry.partition(':')[0]}: L1")
    pack = write_bakery(tmp_path / "bakery", {"tools/agent.yaml": tools, "data/tasks/selling.yaml": tasks})
    problem, _ = in_process("check", "--pack", pack).stdout.splitlines()
    assert told.removeprefix("from: ") in problem
