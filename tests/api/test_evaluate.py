"""`evaluate`, `load_domain` and `Run`: a whole run from a program."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import tau2_core
from tau2_core import (
    AssistantMessage,
    Message,
    ModelSettings,
    Run,
    RunError,
    UsageError,
    aevaluate,
    evaluate,
    load_domain,
)
from tau2_core.episode.setting import Setting
from tau2_core.testing import ScriptedEndpoint
from tau2_core.testing.scripted_endpoint import say

from tests.api.agents import TASK, Complete, complete

pytestmark = pytest.mark.domain("mock")


def test_a_run_is_played_kept_and_read(here: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    run = evaluate(
        "mock",
        agent="oracle",
        split="test",
        trials=2,
        name="first",
        progress=lambda episode, done, slots: seen.append((episode.record.task_id, done, slots)),
    )
    slots = len(run.tasks) * 2
    assert run.folder == Path("runs/first")
    assert [done for _, done, _ in seen] == list(range(1, slots + 1))
    assert {of for _, _, of in seen} == {slots}
    assert (len(run), run.stopped, run.mean_reward, run.coverage) == (slots, "", 1.0, 1.0)
    assert run.pass_hat_k == {1: 1.0, 2: 1.0}
    assert run.report.strict_rate.value == 1.0
    assert [each.task_id for each in run] == [*run.tasks, *run.tasks]
    assert run.configuration["split"] == "test"
    episode = run.episode(run.tasks[0], trial=1)
    assert (episode.reward, episode.solved, episode.reasons, episode.trial) == (1.0, True, [], 1)
    assert episode.messages
    assert run.task(run.tasks[0]).id == run.tasks[0]
    assert json.loads((here / "runs/first/summary.json").read_text())["mean_reward"] == 1.0
    assert repr(run) == f"<Run first: {slots} of {slots} episodes, mean reward 1.0000>"
    assert [each.reward for each in Run("runs/first")] == [each.reward for each in run]


@pytest.mark.parametrize(
    "agent",
    [complete, Complete(), Complete, lambda context: Complete(context)],
    ids=["function", "object", "class", "factory"],
)
def test_a_program_can_pass_an_agent(agent: Any) -> None:
    run = evaluate("mock", agent=agent, tasks=[TASK])
    assert run.mean_reward == 1.0
    # its code is identified, so that a resumed run can be compared
    assert run.configuration["digests"]["plugins"]["agent"]


def test_a_program_can_pass_a_customer() -> None:
    async def ask(history: Sequence[Message]) -> str:
        return "###STOP###" if len(history) > 2 else "Please mark task_5 as completed."

    run = evaluate("mock", agent=complete, user=ask, tasks=[TASK])
    assert run.episodes[0].termination == "user_stop"
    assert run.mean_reward == 1.0


def test_models_can_be_given_in_every_form() -> None:
    with ScriptedEndpoint(lambda _asked: say("Hello.")) as endpoint:
        args = {"api_base": endpoint.url, "temperature": 0.25}
        told = {"model": "endpoint/scripted", "args": args}
        forms: list[dict[str, Any]] = [
            {"agent": told},
            {"agent": ModelSettings(model="endpoint/scripted", args=args)},
            {"agent": {"name": "llm", **told}},
            {"agent": "llm", "agent_model": told},
        ]
        for number, form in enumerate(forms):
            run = evaluate("mock", tasks=[TASK], max_steps=4, name=f"form-{number}", **form)
            assert run.configuration["agent"]["name"] == "llm"
            assert run.configuration["models"]["agent"]["args"]["temperature"] == 0.25
            assert run.episodes[0].record.usage["agent"].requests > 0


def test_a_program_can_pass_a_task() -> None:
    made = load_domain("mock").tasks[TASK].model_copy(update={"id": "mine"})
    run = evaluate("mock", tasks=[made])
    assert (run.tasks, run.mean_reward) == (["mine"], 1.0)
    assert run.task("mine") == made


def test_a_pack_can_be_given_by_its_folder(small_pack: Callable[..., Setting]) -> None:
    setting = small_pack("def count(db):\n    return len(db.items)\n", {"count": {}})
    loaded = load_domain(setting.pack.folder)
    assert (loaded.name, list(loaded.tools)) == (setting.domain, ["count"])
    assert (
        loaded.tools["count"].mcp_tool()["inputSchema"]
        == loaded.tools["count"].chat_function()["function"]["parameters"]
    )


def test_a_domain_can_be_inspected() -> None:
    mock = load_domain("mock")
    assert "update_task_status" in mock.tools
    assert TASK in mock.tasks
    assert set(mock.splits["test"]) <= set(mock.tasks)
    assert mock.policy.strip()
    assert mock.database()["tasks"]["task_5"]["status"] == "pending"
    assert [task.id for task in mock.select(ids=[TASK])] == [TASK]
    mock.database()["tasks"].clear()
    assert mock.database()["tasks"]


def test_rows_for_a_data_frame() -> None:
    run = evaluate("mock", agent="silent", tasks=[TASK], name="rows")
    (row,) = run.rows()
    assert {name: row[name] for name in ("run", "domain", "task_id", "trial", "reward", "solved", "DB")} == {
        "run": "rows",
        "domain": "mock",
        "task_id": TASK,
        "trial": 0,
        "reward": 0.0,
        "solved": False,
        "DB": 0.0,
    }
    json.dumps(row)


def test_a_stopped_run_can_be_resumed() -> None:
    class StopError(Exception):
        pass

    def stop(_episode: Any, done: int, _slots: int) -> None:
        if done == 2:
            raise StopError

    with pytest.raises(StopError):
        evaluate("mock", split="test", name="again", concurrency=1, progress=stop)
    before, slots = len(Run("runs/again")), len(Run("runs/again").tasks)
    assert 0 < before < slots
    seen: list[tuple[int, int]] = []
    run = evaluate(
        "mock", split="test", name="again", resume=True, progress=lambda _episode, done, of: seen.append((done, of))
    )
    assert len(run) == slots
    assert seen == [(done, slots) for done in range(before + 1, slots + 1)]
    with pytest.raises(RunError, match=r"holds another run: agent\.name"):
        evaluate("mock", agent="silent", split="test", name="again", resume=True)


def test_a_cancelled_run_keeps_what_is_finished() -> None:
    async def play() -> None:
        begun = asyncio.Event()

        async def wait(_history: Sequence[Message]) -> str:
            begun.set()
            await asyncio.Event().wait()
            return ""

        work = asyncio.create_task(aevaluate("mock", agent=wait, tasks=[TASK], name="cancelled"))
        await begun.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(play())
    assert (len(Run("runs/cancelled")), Run("runs/cancelled").coverage) == (0, 0.0)
    assert Path("runs/cancelled/summary.json").exists()


def test_a_running_loop_needs_await() -> None:
    async def play() -> Run:
        with pytest.raises(UsageError, match="await aevaluate"):
            evaluate("mock", tasks=[TASK])
        return await aevaluate("mock", tasks=[TASK], via="mcp")

    assert asyncio.run(play()).mean_reward == 1.0


@pytest.mark.skipif(not hasattr(signal, "SIGURG"), reason="nothing can interrupt the event loop on this system")
def test_the_end_of_one_run_does_not_end_anothers_watchdog() -> None:
    async def play() -> Run:
        begun, over = asyncio.Event(), asyncio.Event()

        async def first(history: Sequence[Message]) -> AssistantMessage | str:
            await begun.wait()
            return await complete(history)

        async def second(_history: Sequence[Message]) -> str:
            begun.set()
            await over.wait()
            time.sleep(10)
            return "It is done."

        other = asyncio.create_task(aevaluate("mock", agent=second, tasks=[TASK], timeout=2, name="held-up"))
        await aevaluate("mock", agent=first, tasks=[TASK], name="first")
        over.set()
        return await other

    (episode,) = asyncio.run(play())
    assert "it kept the event loop busy for 2 s at" in (episode.record.error or "")


def test_public_names() -> None:
    everything: dict[str, Any] = {}
    exec("from tau2_core import *", everything)
    assert set(tau2_core.__all__) <= set(everything)
    assert everything["__version__"] == tau2_core.__version__ != ""
    assert everything["evaluate"] is evaluate


LOOKS_AT_STATES = '''
from tau2_core import Check, Evidence, Status, ToolCall, Verdict


def evaluate(evidence: Evidence) -> Verdict:
    """Be met where the end state is the gold's, told from the databases themselves."""
    start, end, gold = (evidence.database(state)["tasks"]["task_5"]["status"] for state in ("start", "end", "gold"))
    (change,) = evidence.differences("start", "gold", "agent")
    read = evidence.answer_at_start(ToolCall(name="get_users", arguments={}))
    checks = [
        Check(f"{start} -> {end}, gold {gold}", end == gold),
        Check("the gold's change", tuple(change.path) == ("tasks", "task_5", "status")),
        Check("the tools", evidence.tools("agent")["get_users"].kind == "read" and read.failure is None),
        Check("the rest", list(evidence.roles) == ["agent", "user"] and not evidence.failed_gold),
    ]
    return Verdict("STATES", Status.GRADED, float(all(check.met for check in checks)), checks)
'''


@pytest.mark.parametrize(("agent", "status", "reward"), [("oracle", "completed", 1.0), ("silent", "pending", 0.0)])
def test_an_evaluator_of_a_program_sees_all_states(here: Path, agent: str, status: str, reward: float) -> None:
    (here / "states.py").write_text(LOOKS_AT_STATES)
    (here / "evaluation.yaml").write_text(
        "extends: tau2\nevaluators:\n  STATES: {use: ./states.py:evaluate, counts: always}\n"
    )
    run = evaluate("mock", agent=agent, tasks=[TASK], evaluators=here / "evaluation.yaml")
    grade = run.episodes[0].grade
    assert grade is not None
    first, *others = grade.verdicts["STATES"].checks
    assert (first.what, grade.reward) == (f"pending -> {status}, gold completed", reward)
    assert all(check.met for check in others)
