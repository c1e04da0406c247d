"""Play the same episodes through every interface: `tau2-gym run`, Gymnasium, its vectors, MCP and others.

The oracle and the random agent play runs; their actions are then repeated through the other interfaces, with the same
seeds. An agent chooses the ids of its calls, so a run's record is compared without them; the records of the other
interfaces must be equal byte for byte. Each interface is a function, and a column of the table.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tau2_core import evaluate, load_domain

from benchmarks.equality.by_gymnasium import by_gymnasium, by_vector
from benchmarks.equality.by_mcp import by_mcp
from benchmarks.equality.played import Done, GymServer, Interface, Played, actions_of, comparable, without_call_ids
from benchmarks.gym import server

DOMAINS = ("airline", "mock", "retail", "telecom")
AGENTS = {"oracle": 3, "random": 2}  # episodes per domain
SPLIT = "test"
INTERFACES: dict[str, Interface] = {"gymnasium": by_gymnasium, "vector": by_vector, "mcp": by_mcp}


@dataclass(frozen=True)
class Row:
    """One episode through every interface."""

    domain: str
    agent: str
    task_id: str
    interfaces: dict[str, Done]

    @property
    def rewards_equal(self) -> bool:
        return len({done.reward for done in self.interfaces.values()}) == 1

    @property
    def records_equal(self) -> bool:
        own = {done.record for name, done in self.interfaces.items() if name != "run"}
        return len(own) == 1 and without_call_ids(own.pop()) == without_call_ids(self.interfaces["run"].record)


def equality(more: Mapping[str, Interface]) -> list[Row]:
    """Play twenty seeded episodes, five per domain, through every interface: the built-in ones and `more`."""
    interfaces = {**INTERFACES, **more}
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as out:
        options = ("serve", *DOMAINS, "--port", "{port}", "--conversation-tools", "--out", f"{out}/served")
        with server("tau2_core", *options) as (_, address):
            gym_server = GymServer(address, Path(out) / "served", SPLIT)
            for domain in DOMAINS:
                rows += _domain(domain, interfaces, gym_server, Path(out))
    return rows


def _domain(domain: str, interfaces: Mapping[str, Interface], gym_server: GymServer, out: Path) -> list[Row]:
    played = _play(domain, out)
    by_interface = {name: play(domain, played, gym_server) for name, play in interfaces.items()}
    return [
        Row(
            domain,
            each.agent,
            each.record.task_id,
            {
                "run": Done(each.reward, comparable(each.record)),
                **{name: by_interface[name][at] for name in interfaces},
            },
        )
        for at, each in enumerate(played)
    ]


def _play(domain: str, out: Path) -> list[Played]:
    """Play a domain's episodes as runs."""
    tasks = load_domain(domain).tasks
    played: list[Played] = []
    for agent, number in AGENTS.items():
        run = evaluate(domain, agent=agent, split=SPLIT, num_tasks=number, out=out, name=f"{domain}-{agent}")
        for episode in run:
            record = episode.record
            played.append(
                Played(agent, record, episode.reward, actions_of(record, len(tasks[record.task_id].history())))
            )
    return played
