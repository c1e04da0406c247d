"""The episodes that the interfaces repeat, and their results."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import httpx2
from tau2_core import AssistantMessage, EpisodeRecord


@dataclass(frozen=True)
class Played:
    """One episode of a run, and its agent's actions: JSON calls, and texts for the customer."""

    agent: str
    record: EpisodeRecord
    reward: float | None
    actions: list[str]


@dataclass(frozen=True)
class Done:
    """One episode through one interface: its reward, and its record as JSON without the id and the trial."""

    reward: float | None
    record: str


@dataclass(frozen=True)
class GymServer:
    """The gym server on which episodes are played: its URL, its folder of records, and the split of the tasks."""

    address: str
    folder: Path
    split: str


Interface: TypeAlias = Callable[[str, Sequence[Played], GymServer], list[Done]]
"""Plays episodes of a domain again, in the same order."""


def actions_of(record: EpisodeRecord, history: int) -> list[str]:
    """Return what the agent did after the task's history, as actions of an environment."""
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


def done(reward: float | None, record: EpisodeRecord) -> Done:
    """Return a result of an interface."""
    return Done(reward, comparable(record))


def kept_record(address: str, episode_id: str) -> EpisodeRecord:
    """Return the record of an episode that is still open on the server."""
    url = f"{address}/v1/episodes/{episode_id}/record"
    answer: Any = httpx2.get(url, timeout=60, trust_env=False).raise_for_status().json()
    return EpisodeRecord.model_validate(answer)


def comparable(record: EpisodeRecord) -> str:
    """Return a record as JSON without its id and trial."""
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
