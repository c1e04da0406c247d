"""The same episodes by every interface: rewards and records of `tau2-gym run`, Gymnasium, its vectors, MCP and others.

The oracle and an agent that calls at random play runs; what they did is then done again through the others, with
the same seeds. An agent chooses the ids of its calls, so a run's record is compared without them; those of the other
doors must be equal byte for byte. A door is a function, and a column of the table.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tau2_core import evaluate, load_domain

from benchmarks.equality.by_gymnasium import by_gymnasium, by_vector
from benchmarks.equality.by_mcp import by_mcp
from benchmarks.equality.played import Done, Door, Played, Stage, actions_of, comparable, without_call_ids
from benchmarks.gym import server

DOMAINS = ("airline", "mock", "retail", "telecom")
AGENTS = {"oracle": 3, "random": 2}  # how many episodes a domain
SPLIT = "test"
DOORS: dict[str, Door] = {"gymnasium": by_gymnasium, "vector": by_vector, "mcp": by_mcp}


@dataclass(frozen=True)
class Row:
    """One episode by every interface."""

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


def equality(more: Mapping[str, Door]) -> list[Row]:
    """Return twenty seeded episodes, five a domain, by every interface: those that are always there, and `more`."""
    doors = {**DOORS, **more}
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as out:
        options = ("serve", *DOMAINS, "--port", "{port}", "--conversation-tools", "--out", f"{out}/served")
        with server("tau2_core", *options) as (_, address):
            stage = Stage(address, Path(out) / "served", SPLIT)
            for domain in DOMAINS:
                rows += _domain(domain, doors, stage, Path(out))
    return rows


def _domain(domain: str, doors: Mapping[str, Door], stage: Stage, out: Path) -> list[Row]:
    played = _play(domain, out)
    by_door = {name: door(domain, played, stage) for name, door in doors.items()}
    return [
        Row(
            domain,
            each.agent,
            each.record.task_id,
            {"run": Done(each.reward, comparable(each.record)), **{name: by_door[name][at] for name in doors}},
        )
        for at, each in enumerate(played)
    ]


def _play(domain: str, out: Path) -> list[Played]:
    """Play a domain's episodes with the agents of runs."""
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
