"""A whole run played by many clients at once: some vanish, the server is stopped in the middle, and nothing is lost."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tau2_core.agents.oracle import Oracle
from tau2_core.episode.setting import Setting
from tau2_core.model.messages import Message, UserMessage
from tau2_core.model.participants import AgentContext

from tests.gym.conftest import World

if TYPE_CHECKING:
    from tests.conftest import Gym
    from tests.gym.conftest import Server, Start

CLIENTS = 6
RUN = ("mock", "--split", "base", "--trials", "2", "--name", "r")


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@dataclass
class Client:
    """An external agent. One time in four it vanishes with its slot; `random` decides which times."""

    server: Server
    setting: Setting
    random: Random
    stop_after: int
    finished: list[str] = field(default_factory=list)  # of all clients

    def work(self) -> tuple[int, str]:
        """Claim and play slots until none are left or the server is gone; return the last answer."""
        try:
            while True:
                response = self.server.http.post("/v1/slots")
                if response.status_code == 201:
                    self.take(World(self.server, response.json()))
                elif response.json()["error"]["code"] != "all_claimed":
                    return response.status_code, response.json()["error"]["code"]
                if len(self.finished) >= self.stop_after:
                    return 0, "stopped"
        except httpx.TransportError:
            return 0, "gone"

    def take(self, world: World) -> None:
        vanishes = self.random.random() < 0.25
        if vanishes and self.random.random() < 0.5:
            return  # before anything has happened
        state = world.control().json()  # an error, if the time for the slot was over at once
        if "task_id" not in state:
            return
        task = self.setting.tasks()[state["task_id"]]
        agent = Oracle(AgentContext("mock", "", list(self.setting.tools("agent").values()), 0, gold=task))
        said = world.say().json()
        history: list[Message] = []
        while said.get("status") == "open" and not vanishes:
            history.append(UserMessage(content=said["reply"]))
            message = asyncio.run(agent.reply(history))
            for call in message.tool_calls or []:
                wish = {"name": call.name, "arguments": dict(call.arguments)}
                self.server.rpc(world.mcp_url, "tools/call", wish)
            if message.tool_calls is None:
                said = world.say(message.content).json()
        if said.get("status") == "ended":
            self.finished.append(world.id)


def play(server: Server, setting: Setting, seed: int, stop_after: int = 1000) -> set[tuple[int, str]]:
    """Let all clients work at once; return their last answers."""
    finished: list[str] = []
    clients = [Client(server, setting, Random(seed + each), stop_after, finished) for each in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        return set(pool.map(Client.work, clients))


def said_and_done(folder: Path) -> dict[str, Any]:
    """Return the messages and the reward of each slot."""
    records = {(line["task_id"], line["trial"]): line for line in lines(folder / "episodes.jsonl")}
    assert len(records) == len(lines(folder / "episodes.jsonl"))  # no slot occurs twice
    grades = {(line["task_id"], line["trial"]): line for line in lines(folder / "grades.jsonl")}
    return {
        str(slot): (
            *(record[key] for key in ("seed", "termination", "steps", "tool_calls", "digests")),
            [_essence(message) for message in record["messages"]],
            grades[slot],
        )
        for slot, record in records.items()
    }


def _essence(message: dict[str, Any]) -> Sequence[Any]:
    calls = [(call["name"], call["arguments"]) for call in message.get("tool_calls") or []]
    return message["role"], message.get("content"), calls


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_many_clients_play_all_slots_as_a_run_would(
    start: Start, gym: Gym, setting_of: Callable[..., Setting], how: signal.Signals
) -> None:
    options = (*RUN, "--agent-name", "oracle", "--slot-timeout", "1", "--slot-attempts", "1000")
    setting = setting_of("mock")
    server = start(*options)
    play(server, setting, seed=1, stop_after=8)
    stopped = World(server, server.http.post("/v1/slots").raise_for_status().json())
    stopped.call("get_users")  # in the middle of this one
    server.process.send_signal(how)
    server.process.wait()
    again = start(*options, "--resume", "--out", server.folder / "runs")
    counts = again.http.get("/v1/slots").json()["counts"]
    assert counts["finished"] >= 8
    assert counts["finished"] + counts["open"] == 36
    assert play(again, setting, seed=100) == {(410, "all_played")}
    found = again.http.get("/v1/slots").json()
    assert (found["counts"]["finished"], found["graded"], found["mean_reward"]) == (36, 36, 1.0)
    again.stop()
    served = server.folder / "runs/r"
    assert gym("run", *RUN, "--out", server.folder / "local").returncode == 0
    assert said_and_done(served) == said_and_done(server.folder / "local/r")
    summaries = [json.loads((folder / "summary.json").read_text()) for folder in (served, server.folder / "local/r")]
    for summary in summaries:
        for key in ("duration_seconds", "folder"):
            del summary[key]
    assert summaries[0] == summaries[1]
    for command in (["report", served], ["show", served], ["compare", served, server.folder / "local/r"]):
        done = gym(*command)
        assert (done.returncode, done.stderr) == (0, "")
