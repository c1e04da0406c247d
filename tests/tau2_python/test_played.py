"""A third party's domain for tau2-bench, played as it is: its own results, its own hashes, and our verdicts."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random
from subprocess import CompletedProcess
from typing import Any

import pytest
from tau2_core import evaluate, load_domain
from tau2_core.episode.environment import Environment
from tau2_core.episode.setup import set_state
from tau2_core.errors import TaskError
from tau2_core.model.episodes import ArgumentMode
from tau2_core.model.messages import ToolCall
from tau2_core.model.tasks import InitialState
from tau2_core.runs.loading import load_setting, open_catalogue

from .conftest import DOMAINS, TARGET, Tau2

EPISODES = 60
CALLS = 12
REWARDS = {"buy": 1.0, "shelve": 1.0, "sold_out": 1.0, "sold_out_again": 1.0}
# How often each call is drawn, and possible arguments; None leaves one out.
DRAWN: list[tuple[str, str, dict[str, list[Any]]]] = [
    ("assistant", "get_book", {"isbn": ["111", "222", "999", None]}),
    ("assistant", "count_orders", {"surplus": [None, None, 1]}),
    (
        "assistant",
        "order",
        {
            "order_id": ["o1", "o2"],
            "lines": [
                [{"isbn": "111"}],
                [{"isbn": "111", "count": 2}, {"isbn": "222"}],  # the first part stays when the second fails
                [{"isbn": 111}],
                [],
                "nonsense",
            ],
            "gift": [None, True, "yes"],
            "note": [None, "für Ünal", 1.0],
        },
    ),
    ("assistant", "put_on_shelf", {"title": ["not the agent's"]}),
    ("user", "put_on_shelf", {"title": ["Ångström", 7]}),
    ("user", "look_at_mail", {}),
    ("user", "no_such_tool", {"self": [1, None]}),
]
SET_STOCK = {"env_type": "assistant", "func_name": "set_stock", "arguments": {"isbn": "222", "stock": 1}}
STATES: list[dict[str, Any] | None] = [
    None,
    {"initialization_actions": [SET_STOCK]},
    {"initialization_data": {"agent_data": {"books": {"111": {"stock": 9}, "333": {"title": "New", "price": 1}}}}},
]


def rewards(done: CompletedProcess[str], folder: Path) -> dict[str, float]:
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in (folder / "grades.jsonl").read_bytes().splitlines()]
    return {line["task_id"]: line["reward"] for line in lines}


@pytest.mark.parametrize(
    "how", [[], ["--mode", "strict"], ["--via", "mcp"], ["--executor", "processes", "--workers", 2]]
)
def test_the_oracle_passes_every_task(tau2: Tau2, tmp_path: Path, how: list[object]) -> None:
    done = tau2("run", "bookshop", "--name", "it", *how)
    assert rewards(done, tmp_path / "runs" / "it") == REWARDS
    assert (
        "note: bookshop.environment:get_environment is copied as a whole for every episode that calls a tool"
        in done.stderr
    )


def test_a_run_is_graded_again_and_an_agent_that_does_nothing_fails(tau2: Tau2, tmp_path: Path) -> None:
    done = tau2("run", "bookshop", "--agent", "silent", "--name", "idle")
    expected = {"buy": 0.0, "shelve": 0.0, "sold_out": 1.0, "sold_out_again": 0.0}
    assert rewards(done, tmp_path / "runs" / "idle") == expected
    assert tau2("grade", tmp_path / "runs" / "idle").returncode == 0
    again = (tmp_path / "runs" / "idle" / "grades.jsonl").read_text()
    assert '"shelf' in again  # the evidence names the path that differs


def test_recorded_calls_are_replayed_without_a_mismatch(tau2: Tau2, bookshop: Any, tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl.gz"
    recorded = list(_recorded(bookshop))
    file.write_bytes(gzip.compress("\n".join(map(json.dumps, recorded)).encode()))
    done = tau2("replay", file)
    assert done.stdout == f"episodes {EPISODES}, calls {EPISODES * CALLS}, mismatches 0\n"
    calls = [call for episode in recorded for call in episode["calls"]]
    assert {call["error"] for call in calls} == {True, False}
    assert len({episode["agent_db_hash"] for episode in recorded}) > EPISODES / 4


def test_tasks_tools_and_the_policy_are_the_domain_s(tau2: Tau2, bookshop: Any) -> None:
    listed = json.loads(tau2("describe", "bookshop", "--json").stdout)
    environment = bookshop.get_environment()
    for role, tools in (("agent", environment.tools), ("user", environment.user_tools)):
        expected = [tool.openai_schema["function"] for tool in tools.get_tools().values()]
        shown = [tool for tool in listed if tool["role"] == role]
        assert [tool["name"] for tool in shown] == [function["name"] for function in expected]
        assert [tool["description"] for tool in shown] == [function["description"] for function in expected]
        for tool, function in zip(shown, expected, strict=True):
            assert tool["parameters"]["required"] == function["parameters"].get("required", [])
            assert list(tool["parameters"]["properties"]) == list(function["parameters"]["properties"])
    assert load_domain("bookshop", packs=[f"tau2:{TARGET}"]).policy == environment.policy
    printed = tau2("tasks", "bookshop", "--json").stdout
    assert all(task in printed for task in REWARDS)


def test_it_is_played_from_a_program(bookshop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = evaluate("bookshop", packs=[f"tau2:{TARGET}"], name="it", trials=2, split="train")
    assert [episode.reward for episode in run] == [1.0, 1.0]
    assert bookshop.get_environment().tools.db.orders == {}  # nothing reached what the module itself holds


@pytest.mark.parametrize("mode", ["strict", "tau2"])
def test_a_failed_call_leaves_no_trace_in_mode_strict(
    bookshop: Any, monkeypatch: pytest.MonkeyPatch, mode: ArgumentMode
) -> None:
    def without_sync() -> Any:
        shop = bookshop.get_environment()
        return bookshop.Environment("bookshop", "Sell.", shop.tools, shop.user_tools)

    monkeypatch.setattr(bookshop, "without_sync", without_sync, raising=False)
    setting = load_setting(open_catalogue([Path(f"tau2:{TARGET}:without_sync")]), "bookshop", mode=mode)
    environment, other = Environment(setting), Environment(setting)
    start = environment.digests()
    sold_out = [{"isbn": "111"}, {"isbn": "111", "count": 99}]
    failing = ToolCall(name="order", arguments={"order_id": "o1", "lines": sold_out})
    for order in ("", "o2"):  # the first failure is the first use of the environment
        if order:
            environment.call(ToolCall(name="order", arguments={"order_id": order, "lines": [{"isbn": "111"}]}))
        before = environment.digests()
        assert environment.call(failing).failure is not None
        assert (environment.digests() == before) is (mode == "strict")
    assert environment.digests() != start == other.digests()


@pytest.mark.usefixtures("bookshop")
@pytest.mark.parametrize(
    ("data", "error"), [({"books": {"111": {"stock": "many"}}}, "valid integer"), ({"clerk": "x"}, "Extra inputs")]
)
def test_initial_data_that_do_not_fit_are_an_error_of_the_task(data: dict[str, Any], error: str) -> None:
    setting = load_setting(open_catalogue([Path(f"tau2:{TARGET}")]), "bookshop")
    state = InitialState.model_validate({"initialization_data": {"agent_data": data}})
    with pytest.raises(TaskError, match=f"initial data does not fit: .*{error}"):
        set_state(Environment(setting), state, [])


def test_the_pack_s_digest_is_of_its_data_and_code(tau2: Tau2, tmp_path: Path) -> None:
    shutil.copytree(DOMAINS, tmp_path / "own", ignore=shutil.ignore_patterns("__pycache__"))

    def digest(name: str) -> str:
        done = tau2("run", "bookshop", "--name", name, "--task", "sold_out", domains=tmp_path / "own")
        assert done.returncode == 0, done.stderr
        found: str = json.loads((tmp_path / "runs" / name / "run.json").read_text())["digests"]["pack"]
        return found

    first = digest("first")
    assert digest("second") == first
    database = tmp_path / "own" / "bookshop" / "data" / "db.json"
    database.write_text(database.read_text().replace("12.5", "13.5"))
    assert digest("third") != first


def _recorded(bookshop: Any) -> Iterator[dict[str, Any]]:
    """Record episodes with random calls from the domain itself."""
    random = Random(4)
    for number in range(EPISODES):
        state = STATES[number % len(STATES)]
        environment = bookshop.get_environment()
        _set_state(environment, state or {})
        episode: dict[str, Any] = {"id": f"e{number}", "domain": "bookshop", "initial_state": state}
        episode |= _hashes(environment, "start_")
        calls = []
        for _ in range(CALLS):
            requestor, name, options = random.choice(DRAWN)
            drawn = {key: random.choice(values) for key, values in options.items()}
            arguments = {key: value for key, value in drawn.items() if value is not None}
            content, error = environment.get_response(requestor, name, json.loads(json.dumps(arguments)))
            compare = "outcome" if error else "exact"
            calls.append({"requestor": requestor, "name": name, "arguments": arguments, "error": error})
            calls[-1] |= {"content": None if error else content, "compare": compare}
        yield {**episode, "calls": calls, **_hashes(environment, ""), "assertions": [_assertion(environment)]}


def _set_state(environment: Any, state: dict[str, Any]) -> None:
    """Apply a start state as tau2-bench does: after initial data both sides share one database."""
    data = state.get("initialization_data") or {}
    if "agent_data" in data:
        environment.tools.update_db(data["agent_data"])
        environment.user_tools.db = environment.tools.db
    for action in state.get("initialization_actions") or []:
        getattr(environment.tools, action["func_name"])(**action["arguments"])
        environment.sync_tools()
    environment.sync_tools()


def _hashes(environment: Any, prefix: str) -> dict[str, Any]:
    agent, user = environment.tools.get_db_hash(), environment.user_tools.get_db_hash()
    return {f"{prefix}agent_db_hash": agent, f"{prefix}user_db_hash": user}


def _assertion(environment: Any) -> dict[str, Any]:
    arguments = {"isbn": "111", "stock": 3}
    try:
        met: Any = environment.tools.assert_stock(**arguments)
        environment.sync_tools()
    except Exception:  # noqa: BLE001 - whatever it raises is the result
        met = "error"
    return {
        "env_type": "assistant",
        "func_name": "assert_stock",
        "arguments": arguments,
        "assert_value": True,
        "met": met,
    }
