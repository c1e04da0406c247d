"""How a wrapped domain is copied, and what `check` says of one that is not the same in every episode."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Tau2

VariantOf = Callable[..., Path]
SHOP = "class {name}(ShopTools):\n    {body}\ndef get_environment():\n    return {make}"
MAKE = "ShopEnvironment('bookshop', 'Sell.', Mine(original().tools.db), original().user_tools)"
TOOL = "@is_tool(ToolType.READ)\n    def count_orders(self) -> str:\n        '''Count.'''\n        {code}"
VARYING = {
    "import time": "return str(time.time_ns())",
    "import datetime": "return str(datetime.date.today())",
    "import uuid": "return uuid.uuid4().hex",
    "CALLS = []": "CALLS.append(1); return str(len(CALLS))",
}
# How the toolkit refuses to be copied, and what is then said.
NO_PICKLE = "def __reduce_ex__(self, _): raise TypeError('no copies')\n"
COPIES = {
    "pass": "is copied as a whole for every episode that calls a tool",
    f"{NO_PICKLE}    def __deepcopy__(self, memo): return type(self)(self.db.model_copy(deep=True))": "is copied as a",
    NO_PICKLE: "is created anew for every episode: it cannot be copied (TypeError: no copies)",
}
COUNTING = {
    "id": "count",
    "user_scenario": {"instructions": ""},
    "evaluation_criteria": {"actions": [{"name": "count_orders", "arguments": {}}]},
}


@pytest.mark.parametrize("start", VARYING)
def test_check_names_a_tool_that_reads_a_clock_or_keeps_state(tau2: Tau2, variant_of: VariantOf, start: str) -> None:
    body = TOOL.format(code=VARYING[start])
    code = f"{start}\n{SHOP.format(name='Mine', body=body, make=MAKE)}\n"
    code += f"def get_tasks(): return [{COUNTING!r}]\ndef get_tasks_split(): return None"
    done = tau2("check", target="corner", paths=(variant_of(code),))
    how = "played twice in one process" if start == "CALLS = []" else "in different processes"
    assert done.returncode == 1
    assert f"tool 'count_orders' is not reproducible: {how} it gives" in done.stdout
    assert "[T2G091]" in done.stdout


@pytest.mark.parametrize("body", COPIES)
def test_it_says_how_it_is_copied_and_episodes_do_not_meet(
    tau2: Tau2, variant_of: VariantOf, tmp_path: Path, body: str
) -> None:
    site = variant_of(SHOP.format(name="Mine", body=body, make=MAKE))
    done = tau2("run", "bookshop", "--trials", "3", "--name", "it", target="corner", paths=(site,))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"note: corner:get_environment {COPIES[body]}" in done.stderr
    grades = [json.loads(line) for line in (tmp_path / "runs/it/grades.jsonl").read_bytes().splitlines()]
    assert [grade["reward"] for grade in grades] == [1.0] * 12
    shown = tau2("describe", "bookshop", target="corner", paths=(site,)).stdout
    assert COPIES[body].partition(":")[0] in " ".join(shown.split())


def test_its_own_hash_decides_the_database_verdict(tau2: Tau2, variant_of: VariantOf, tmp_path: Path) -> None:
    """Here the hash leaves out the shelf, so an agent that does nothing passes."""
    code = """
class Blind(ReaderDB):
    def get_hash(self):
        return "always the same"

def get_environment():
    shop = original()
    shop.user_tools.db = Blind()
    return shop
"""
    options = ("--agent", "silent", "--task", "shelve", "--name", "it")
    done = tau2("run", "bookshop", *options, target="corner", paths=(variant_of(code),))
    (grade,) = [json.loads(line) for line in (tmp_path / "runs/it/grades.jsonl").read_bytes().splitlines()]
    (record,) = [json.loads(line) for line in (tmp_path / "runs/it/episodes.jsonl").read_bytes().splitlines()]
    assert (done.returncode, grade["reward"], record["digests"]["user"]) == (0, 1.0, "always the same")


def test_a_domain_without_a_customer_s_tools_or_a_database(tau2: Tau2, variant_of: VariantOf) -> None:
    code = """
class Desk(ToolKitBase):
    @is_tool(ToolType.THINK)
    def think(self, thought: str, db: str = "") -> str:
        '''Think.'''
        return thought.upper() + db

def get_environment(solo_mode=False):
    return ShopEnvironment("desk", "alone" if solo_mode else "together", Desk())

def get_tasks():
    gold = [{"name": "think", "arguments": {"thought": "hm", "db": "!"}}]
    return [{"id": "hm", "ticket": "Think.", "user_scenario": {"instructions": ""},
             "evaluation_criteria": {"actions": gold, "reward_basis": ["DB", "ACTION"]}}]

ShopEnvironment.sync_tools = lambda self: None
del get_tasks_split
"""
    site = variant_of(code)
    for more in ([], ["--solo", "--user", "none"]):
        done = tau2("run", "desk", "--json", *more, target="corner", paths=(site,))
        assert (done.returncode, json.loads(done.stdout)["mean_reward"]) == (0, 1.0), done.stderr
    assert tau2("check", target="corner", paths=(site,)).stdout == "desk: clean (1 tools, 1 tasks, 1 played)\n"


def test_both_sides_may_have_a_tool_of_the_same_name(tau2: Tau2, variant_of: VariantOf) -> None:
    code = """
class Reader(ReaderTools):
    @is_tool(ToolType.READ)
    def count_orders(self, by: str) -> str:
        "Count what is on its way."
        return f"{len(self.db.told)} by {by}"

def get_environment():
    shop = original()
    shop.user_tools = Reader(shop.user_tools.db)
    return shop

def get_tasks():
    gold = [{"name": "count_orders", "arguments": {}},
            {"name": "count_orders", "arguments": {"by": "me"}, "requestor": "user"}]
    return [{"id": "both", "user_scenario": {"instructions": ""}, "evaluation_criteria": {"actions": gold}}]

del get_tasks_split
"""
    site = variant_of(code)
    assert tau2("check", target="corner", paths=(site,)).stdout == "bookshop: clean (7 tools, 1 tasks, 1 played)\n"
