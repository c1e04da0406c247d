"""`tau2-gym new --from-tau2`: a pack whose handlers call a domain for tau2-bench, until they are moved."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import yaml

from .conftest import DOMAINS, TARGET

Gym = Callable[..., CompletedProcess[str]]
MOVED = """
from typing import Any

from tau2_core import ToolError


def get_book(db: Any, isbn: str) -> Any:
    if isbn not in db.books:
        raise ToolError(f"there is no book {isbn}")
    return db.books[isbn]


def set_closed(db: Any, closed: bool) -> str:
    db.closed = closed
    return "done"
"""


@pytest.fixture
def shop(gym: Gym, tmp_path: Path) -> Path:
    done = gym("new", "shop", "--from-tau2", TARGET, paths=[DOMAINS])
    assert done.returncode == 0, done.stderr
    assert "guessed: the outcome of 4 tasks, which tau2-bench does not state" in done.stdout
    assert "wrapped: 6 tools, 3 functions, 4 tasks" in done.stdout
    return tmp_path / "shop"


def test_it_passes_check_and_the_oracle_passes_its_tasks(gym: Gym, shop: Path) -> None:
    checked = gym("check", "--pack", shop, "--strict", paths=[DOMAINS])
    assert checked.stdout == "shop: clean (6 tools, 4 tasks, 4 played)\n"
    for mode in ("tau2", "strict"):
        run = gym("run", "shop", "--pack", shop, "--mode", mode, "--json", paths=[DOMAINS])
        assert json.loads(run.stdout)["mean_reward"] == 1.0


def test_tools_tasks_and_splits_are_entries_to_be_edited(shop: Path) -> None:
    tools = yaml.safe_load((shop / "tools" / "agent.yaml").read_text())
    assert list(tools) == ["get_book", "order", "count_orders", "transfer_to_human_agents"]
    order = tools["order"]
    assert (order["kind"], order["handler"]) == ("write", "agent_tools:order")
    assert [name for name, schema in order["parameters"].items() if schema.get("optional")] == ["gift", "note"]
    assert order["parameters"]["lines"]["items"]["properties"].keys() == {"isbn", "count"}  # without a reference
    assert tools["transfer_to_human_agents"]["transfers"] is True
    tasks = {task["id"]: task for task in yaml.safe_load((shop / "data" / "tasks" / "tasks.yaml").read_text())}
    outcomes = {"buy": "done", "shelve": "done", "sold_out": "refused", "sold_out_again": "transferred"}
    assert {name: task["outcome"] for name, task in tasks.items()} == outcomes
    original = json.loads((DOMAINS / "bookshop" / "data" / "tasks.json").read_text())[0]
    assert tasks["buy"]["evaluation_criteria"]["actions"][1]["arguments"]["note"] is None
    instructions = {name: text for name, text in original["user_scenario"]["instructions"].items() if text is not None}
    assert tasks["buy"]["user_scenario"] == {"instructions": instructions}
    assert yaml.safe_load((shop / "data" / "splits.yaml").read_text())["train"] == ["buy"]


def test_a_handler_is_moved_while_the_others_still_call_the_old_class(gym: Gym, shop: Path) -> None:
    (shop / "handlers" / "books.py").write_text(MOVED)
    tools = shop / "tools" / "agent.yaml"
    text = tools.read_text().replace('"agent_tools:get_book"', '"books:get_book"')
    text += "\nset_closed:\n  description: Close the shop.\n  kind: write\n  handler: books:set_closed\n"
    tools.write_text(f"{text}  parameters:\n    closed: {{type: boolean}}\n")
    called = shop / "handlers" / "agent_tools.py"
    head, _, rest = called.read_text().partition("def get_book")
    called.write_text(head + rest[rest.index("def order") :])
    tasks = shop / "data" / "tasks" / "tasks.yaml"
    closing = {"name": "set_closed", "arguments": {"closed": True}}
    task = {"id": "close", "outcome": "done", "user_scenario": {"instructions": "Close."}}
    task["evaluation_criteria"] = {"actions": [closing, {"name": "get_book", "arguments": {"isbn": "111"}}]}
    tasks.write_text(f"{tasks.read_text()}\n{yaml.safe_dump([task])}")
    splits = shop / "data" / "splits.yaml"
    splits.write_text(splits.read_text().replace("- buy\n", "- buy\n- close\n", 1))
    checked = gym("check", "--pack", shop, paths=[DOMAINS])
    assert checked.stdout == "shop: clean (7 tools, 5 tasks, 5 played)\n"
    run = gym("run", "shop", "--pack", shop, "--agent", "silent", "--task", "close", paths=[DOMAINS])
    assert "closed (gold true, here false)" in run.stdout.replace("True", "true").replace("False", "false")


def test_a_distribution_has_it_in_its_package(gym: Gym, tmp_path: Path) -> None:
    done = gym("new", "shop", "--from-tau2", TARGET, "--package", paths=[DOMAINS])
    assert done.returncode == 0, done.stderr
    checked = gym("check", "--pack", tmp_path / "shop", paths=[DOMAINS])
    assert checked.stdout == "shop: clean (6 tools, 4 tasks, 4 played)\n"


def test_without_the_old_domain_it_is_refused_with_file_and_line(gym: Gym, shop: Path) -> None:
    done = gym("run", "shop", "--pack", shop)
    assert done.returncode != 0
    assert f"{shop}/domain.yaml:5: wraps {TARGET}:get_environment: module {TARGET} cannot be imported" in done.stderr
    manifest = shop / "domain.yaml"
    manifest.write_text(f"{manifest.read_text()}\ndatabases: {{agent: {{model: 'models:A', data: a.yaml}}}}\n")
    both = gym("check", "--pack", shop, paths=[DOMAINS])
    assert "name either `databases` or what the pack `wraps`" in both.stdout
