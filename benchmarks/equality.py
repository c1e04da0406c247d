"""The same episodes by every door: the rewards and records of `tau2-gym run`, Gymnasium, its vectors, and MCP.

The oracle and an agent that calls at random play runs; what they did is then done again through the other doors, with
the same seeds. An agent chooses the ids of its calls, so a run's record is compared without them; those of the other
doors must be equal byte for byte.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import httpx2
import tau2_gymnasium
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from tau2_core import AssistantMessage, EpisodeRecord, evaluate, load_domain

from benchmarks.gym import server

DOMAINS = ("airline", "mock", "retail", "telecom")
AGENTS = {"oracle": 3, "random": 2}  # how many episodes a domain
SPLIT = "test"


@dataclass(frozen=True)
class Done:
    """One episode by one door: its reward, and its record as JSON without what names the door (id, trial)."""

    reward: float | None
    record: str


@dataclass(frozen=True)
class Played:
    """One episode of a run, and what its agent did."""

    agent: str
    record: EpisodeRecord
    reward: float | None
    actions: list[str]


@dataclass(frozen=True)
class Row:
    """One episode by every door."""

    domain: str
    agent: str
    task_id: str
    doors: dict[str, Done]

    @property
    def rewards_equal(self) -> bool:
        return len({done.reward for done in self.doors.values()}) == 1

    @property
    def records_equal(self) -> bool:
        own = {done.record for name, done in self.doors.items() if name != "run"}
        return len(own) == 1 and without_call_ids(own.pop()) == without_call_ids(self.doors["run"].record)


def equality() -> list[Row]:
    """Return twenty seeded episodes, five a domain, by every door."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as out:
        options = ("serve", *DOMAINS, "--port", "{port}", "--conversation-tools", "--out", f"{out}/served")
        with server("tau2_core", *options) as (_, address):
            for domain in DOMAINS:
                tasks = load_domain(domain).tasks
                played: list[Played] = []
                for agent, number in AGENTS.items():
                    name = f"{domain}-{agent}"
                    run = evaluate(domain, agent=agent, split=SPLIT, num_tasks=number, out=Path(out), name=name)
                    for episode in run:
                        record = episode.record
                        actions = actions_of(record, len(tasks[record.task_id].history()))
                        played.append(Played(agent, record, episode.reward, actions))
                vector = _by_vector(domain, played)
                for number, each in enumerate(played):
                    doors = {"run": Done(each.reward, _text(each.record)), "gymnasium": _by_gymnasium(domain, each)}
                    doors["vector"] = vector[number]
                    doors["mcp"] = asyncio.run(_by_mcp(address, domain, each))
                    rows.append(Row(domain, each.agent, each.record.task_id, doors))
    return rows


def actions_of(record: EpisodeRecord, history: int) -> list[str]:
    """Return what the agent did after what the task's history holds, as actions of an environment."""
    actions: list[str] = []
    opening = history == 0
    for message in record.messages[history:]:
        if not isinstance(message, AssistantMessage):
            continue
        if message.tool_calls:
            actions += [json.dumps({"name": call.name, "arguments": call.arguments}) for call in message.tool_calls]
        elif not opening:
            actions.append(message.content or "")
        opening = False
    return actions


def _by_gymnasium(domain: str, played: Played) -> Done:
    record = played.record
    env = gymnasium.make(f"tau2_gymnasium:tau2_gym/{domain}-v0", task_id=record.task_id).unwrapped
    assert isinstance(env, tau2_gymnasium.AgentEnv)
    env.reset(seed=record.seed)
    for action in played.actions:
        _, reward, *_ = env.step(action)
    done = Done(float(reward), _text(env.record()))
    env.close()
    return done


def _by_vector(domain: str, played: Sequence[Played]) -> list[Done]:
    """Play all episodes side by side; one that is over waits in a seat that is not stepped."""
    records = [each.record for each in played]
    envs = gymnasium.make_vec(
        f"tau2_gymnasium:tau2_gym/{domain}-v0", len(records), split=SPLIT, autoreset_mode="SameStep"
    )
    assert isinstance(envs, tau2_gymnasium.VectorAgentEnv)
    ids = [record.task_id for record in records]
    envs.reset(seed=[record.seed for record in records], options={"task_ids": ids})
    plans = [each.actions for each in played]
    done: list[Done | None] = [None] * len(records)
    for step in range(max(map(len, plans))):
        before = [seat.episode for seat in envs.seats]
        actions = [plan[step] if step < len(plan) else "get_nothing()" for plan in plans]
        _, rewards, terminated, truncated, _ = envs.step(actions)
        for index in range(len(records)):
            episode = before[index]
            if done[index] is None and (terminated[index] or truncated[index]):
                assert episode is not None
                done[index] = Done(float(rewards[index]), _text(asyncio.run(episode.record())))
    envs.close()
    assert all(done)
    return [each for each in done if each is not None]


async def _by_mcp(address: str, domain: str, played: Played) -> Done:
    """Play an episode with an MCP client alone: the conversation is a tool, too."""
    record = played.record
    async with httpx2.AsyncClient(base_url=address, timeout=60, trust_env=False) as http:
        body = {"domain": domain, "task_id": record.task_id, "seed": record.seed}
        made: dict[str, Any] = (await http.post("/v1/episodes", json=body)).raise_for_status().json()
        async with Client(streamable_http_client(made["mcp_url"], http_client=http)) as client:
            await client.call_tool("start_conversation", {})
            for action in played.actions:
                if action.startswith("{"):
                    call = json.loads(action)
                    await client.call_tool(call["name"], call["arguments"])
                else:
                    await client.call_tool("send_message_to_user", {"message": action})
        reward = (await http.get(made["control_url"] + "/reward")).raise_for_status().json()["reward"]
        kept = (await http.get(made["control_url"] + "/record")).raise_for_status().json()
    return Done(reward, _text(EpisodeRecord.model_validate(kept)))


def _text(record: EpisodeRecord) -> str:
    line = record.model_copy(update={"id": None, "trial": 0}).line()
    return json.dumps(line, sort_keys=True, ensure_ascii=False)


def without_call_ids(text: str) -> str:
    """Return a record's text without the ids of calls."""
    record = json.loads(text)
    for message in record["messages"]:
        message.pop("id", None)
        for call in message.get("tool_calls") or []:
            call.pop("id", None)
    return json.dumps(record, sort_keys=True, ensure_ascii=False)
