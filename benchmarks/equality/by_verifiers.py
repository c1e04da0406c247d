"""Episodes with verifiers: `vf-eval`, in a separate environment, with a scripted model that repeats the actions."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tau2_core import EpisodeRecord, UserMessage
from tau2_core.testing.scripted_endpoint import Asked, Reply, ScriptedEndpoint, call, say

from benchmarks.equality.played import Done, GymServer, Interface, Played, done

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("verifiers==0.4.0", "uv", *(str(ROOT / part) for part in ("core", "integrations/verifiers")))


def by_verifiers(python: Path) -> Interface:
    """Return the interface that plays episodes with the `vf-eval` beside an interpreter."""

    def play(domain: str, played: Sequence[Played], gym_server: GymServer) -> list[Done]:
        results: dict[int, Done] = {}
        left = list(range(len(played)))
        while left:  # in rounds, so that within a round all customers start with different messages
            places = {_first_words(played[place].record): place for place in reversed(left)}.values()
            ended = _evaluated(python, domain, [played[place] for place in places], gym_server)
            results |= {place: ended[played[place].record.task_id] for place in places}
            left = [place for place in left if place not in results]
        return [results[place] for place in range(len(played))]

    return play


class _RepeatingModel:
    """A model that repeats the actions of some episodes, which it recognises by the customer's first message."""

    def __init__(self, played: Sequence[Played]) -> None:
        self.actions = {_first_words(each.record): each.actions for each in played}
        self.before: dict[str, int] = {}

    def __call__(self, asked: Asked) -> Reply:
        opening = next(str(message["content"]) for message in asked.messages if message["role"] == "user")
        number = asked.answered - self.before.setdefault(opening, asked.answered)
        if number >= len(self.actions[opening]):
            return say("The call has ended the episode.")
        action = self.actions[opening][number]
        if not action.startswith("{"):
            return say(action)
        wanted = json.loads(action)
        return call((wanted["name"], wanted["arguments"]))


def _first_words(record: EpisodeRecord) -> str:
    return next(message.content or "" for message in record.messages if isinstance(message, UserMessage))


def _evaluated(python: Path, domain: str, played: Sequence[Played], gym_server: GymServer) -> dict[str, Done]:
    """Play episodes whose customers start with different messages; return the results by task."""
    ids = json.dumps([each.record.task_id for each in played])
    (seed,) = {each.record.seed for each in played}
    path = os.pathsep.join([str(python.parent), os.environ["PATH"]])
    with ScriptedEndpoint(_RepeatingModel(played)) as endpoint, tempfile.TemporaryDirectory() as folder:
        options = [
            *("--env.taskset.domain", domain, "--env.taskset.split", gym_server.split, "--select.include.ids", ids),
            *("--env.taskset.task.url", gym_server.address, "--env.taskset.task.seed", str(seed)),
            *("-m", "any", "--client.base-url", endpoint.url, "--client.api-key-var", "KEY"),
            *("--no-push", "--no-rich", "-o", folder),
        ]
        command = [str(python.with_name("vf-eval")), "tau2-gym-verifiers", *options]
        subprocess.run(
            command, cwd=folder, env={**os.environ, "PATH": path, "KEY": "none"}, stdout=subprocess.DEVNULL, check=True
        )
        (file,) = Path(folder).rglob("traces.jsonl")
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    records = _records(gym_server)
    told = {trace["task"]["data"]["id"]: trace["info"]["tau2"] for line in lines for trace in line["traces"]}
    return {task_id: done(each["grade"]["reward"], records[each["episode"]]) for task_id, each in told.items()}


def _records(gym_server: GymServer) -> dict[str, EpisodeRecord]:
    """Return the records written by the server, by the episodes' ids."""
    lines: list[Any] = []
    for file in gym_server.folder.glob("*/episodes.jsonl"):
        lines += map(json.loads, file.read_text(encoding="utf-8").splitlines())
    return {line["id"]: EpisodeRecord.model_validate(line) for line in lines}
