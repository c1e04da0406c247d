"""Customers of a plugin that block, end the process or send garbage: only their own episode ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import TYPE_CHECKING, Any

import pytest

from tests.eval_protocol.conftest import lines, run_pytest
from tests.forked import Forks

if TYPE_CHECKING:
    from tests.gym.conftest import Start

Gym = Callable[..., CompletedProcess[str]]
Plugin = Callable[..., Path]

CUSTOMERS = """
import asyncio, socket, sys, threading, time
from functools import partial
from tau2_core import AssistantMessage, ToolCall, UserMessage, UserSpec, hookimpl
from tau2_core.users.scripted import Scripted


class Own(BaseException):
    pass


class Unreadable(Exception):
    def __str__(self):
        raise SystemExit(0)


def fail(error):
    raise error


def spin(_seconds=None):
    while True:
        pass


def swallow():
    while True:
        try:
            time.sleep(600)
        except Exception:
            pass


def wait_for_a_socket():
    one, other = socket.socketpair()
    with one, other:
        one.recv(1)


HOW = {
    "exit": lambda: sys.exit(0),
    "interrupt": lambda: fail(KeyboardInterrupt()),
    "cancel": lambda: fail(asyncio.CancelledError()),
    "close": lambda: fail(GeneratorExit()),
    "stop": lambda: fail(StopIteration("done")),
    "own": lambda: fail(Own("mine")),
    "unreadable": lambda: fail(Unreadable()),
    "memory": lambda: fail(MemoryError()),
    "sleeps": lambda: time.sleep(600),
    "spins": spin,
    "swallows": swallow,
    "locks": lambda: threading.Event().wait(),
    "listens": wait_for_a_socket,
    "nothing": lambda: None,
    "bytes": lambda: b"hello",
    "agent": lambda: AssistantMessage(content="I am the agent"),
    "empty": lambda: UserMessage(content=""),
    "number": lambda: UserMessage.model_construct(role="user", content=7, tool_calls=None),
    "calls": lambda: UserMessage.model_construct(role="user", content=None, tool_calls=[{"name": 1}]),
}


class Bad:
    def __init__(self, context, how):
        self.good = Scripted(context)
        self.bad = context.gold.id == "create_plain"
        self.how = how

    async def reply(self, history):
        if self.bad:
            return HOW[self.how]()
        return await self.good.reply(history)


@hookimpl
def tau2_user_simulators():
    return [UserSpec(how, "", partial(Bad, how=how), sees_gold=True) for how in HOW]
"""
SAID = {
    "exit": "SystemExit: 0",
    "interrupt": "KeyboardInterrupt",
    "cancel": "CancelledError",
    "close": "GeneratorExit",
    "stop": "coroutine raised StopIteration",
    "own": "Own: mine",
    "unreadable": "Unreadable",
    "memory": "MemoryError",
    "sleeps": "kept the event loop busy for",
    "spins": "kept the event loop busy for",
    "swallows": "kept the event loop busy for",
    "locks": "kept the event loop busy for",
    "listens": "kept the event loop busy for",
    "nothing": "NoneType",
    "bytes": "a message of type UserMessage, not bytes",
    "agent": "a message of type UserMessage, not AssistantMessage",
    "empty": "neither text nor a tool call",
    "number": "cannot be recorded as JSON",
    "calls": "cannot be recorded as JSON",
}
BLOCKING = [how for how, said in SAID.items() if "busy" in said]
IDS = ("create_plain", "create_with_description")


def ends(records: Sequence[dict[str, Any]]) -> dict[str, str]:
    return {record["task_id"]: record["termination"] for record in records}


@pytest.mark.parametrize("how", SAID)
def test_a_run_continues_after_a_bad_customer(gym: Gym, plugin: Plugin, tmp_path: Path, how: str) -> None:
    site = plugin("customers", CUSTOMERS)
    tasks = [word for name in IDS for word in ("--task", name)]
    done = gym("run", "mock", "--user", how, *tasks, "--timeout", 1, "--concurrency", 1, "--name", "r", paths=[site])
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    records = lines(tmp_path / "runs/r/episodes.jsonl")
    assert ends(records) == {"create_plain": "user_error", "create_with_description": "user_stop"}
    (error,) = [record["error"] for record in records if "error" in record]
    assert SAID[how] in error
    if how in BLOCKING:
        assert "customers.py:" in error
        assert "the user keeps the event loop busy at" in done.stderr


def test_a_server_continues_after_a_bad_customer(start: Start, plugin: Plugin) -> None:
    server = start("mock", PYTHONPATH=str(plugin("customers", CUSTOMERS)))
    for how, said in SAID.items():
        if how in BLOCKING and how != "swallows":
            continue
        world, other = (server.create(task_id=name, user=how) for name in IDS)
        response = world.say()
        answer = response.json()
        assert (answer.get("status"), answer.get("reply")) == ("ended", None), (how, answer)
        assert other.say("What is it called?").json()["status"] == "open"
        record = world.record()
        assert (record["termination"], said in record["error"]) == ("user_error", True), record["error"]
        assert server.http.get("/healthz").status_code == 200
        assert world.reward() == 0.0
    server.stop()


def test_an_evaluation_test_continues_after_a_bad_customer(forks: Forks, plugin: Plugin, tmp_path: Path) -> None:
    chosen = ["exit", "own", "locks", "nothing"]
    source = f"""
@evaluation_test(
    input_rows=[rows({list(IDS)!r})], completion_params=[ORACLE],
    evaluation_test_kwargs=[{{}}],
    rollout_processor_kwargs={{"domain": "mock", "user": "HOW", "timeout": 1}},
    passed_threshold=0.0,
    exception_handler_config=ExceptionHandlerConfig(retryable_exceptions=()),
)
def test_HOW(row: EvaluationRow) -> EvaluationRow:
    return row
"""
    ran = run_pytest(
        forks,
        tmp_path,
        "".join(source.replace("HOW", how) for how in chosen),
        PYTHONPATH=str(plugin("customers", CUSTOMERS)),
    )
    for how in chosen:
        (folder,) = [folder for name, folder in ran.runs().items() if name.startswith(f"test_{how}")]
        records = lines(folder / "episodes.jsonl")
        assert ends(records) == {"create_plain": "user_error", "create_with_description": "user_stop"}, ran.output
        assert SAID[how] in json.dumps(records)
