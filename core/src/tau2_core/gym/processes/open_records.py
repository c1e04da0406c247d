"""The messages of open episodes on disk, written after every call, so that they survive the process that hosts them."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError

from tau2_core.episode.episode_record import empty_record
from tau2_core.errors import RunError
from tau2_core.gym.hosted_episode import HostedEpisode
from tau2_core.model.episodes import EpisodeRecord, Slot, Termination
from tau2_core.model.messages import Message
from tau2_core.records.journal import content_of
from tau2_core.records.lines import json_content, whole_lines

log = logging.getLogger(__name__)
MOST_HANDLES = 128  # files kept open; of the number that a process reserves beside its connections
_MESSAGES = TypeAdapter(list[Message])


class OpenRecords:
    """One file for each open episode of a worker, named by its entry in its run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: dict[int, int] = {}
        self._handles: dict[int, int] = {}  # of the files used last, the latest at the end

    def note(self, entry: int, episode: HostedEpisode, run: str) -> None:
        """Append everything that has happened since the last call. If that fails, the episode continues.

        The first line also has the empty record and the name of the run's folder, for a server that finds the file.
        """
        conversation = episode.episode.conversation
        done = self._written.get(entry, 0)
        messages = conversation.messages
        if len(messages) == done:
            return
        state: dict[str, Any] = {
            "id": episode.id,
            "steps": conversation.steps,
            "tool_calls": conversation.tool_calls,
            "tool_errors": dict(sorted(conversation.failures.items())),
        }
        if not done:
            plan = episode.blueprint
            empty = empty_record(plan.setting, Slot(plan.task.id, episode.trial or 0), plan.seed).line()
            state = {"run": run, **empty, **state}
            del state["messages"]
        content = b'%s, "messages": %s}\n' % (json.dumps(state).encode()[:-1], _as_json(messages[done:]))
        try:
            os.write(self._handle(entry), content)
        except OSError as error:
            log.error("what happens in episode %s is not on disk yet: %s", episode.id, error.strerror)
        else:
            self._written[entry] = len(messages)

    def remove(self, entry: int) -> None:
        """Remove the file of an episode whose record is kept."""
        if self._written.pop(entry, None) is not None:
            if (handle := self._handles.pop(entry, None)) is not None:
                os.close(handle)
            record_file(self._folder, entry).unlink(missing_ok=True)

    def _handle(self, entry: int) -> int:
        handle = self._handles.pop(entry, None)
        if handle is None:
            if len(self._handles) == MOST_HANDLES:
                os.close(self._handles.pop(next(iter(self._handles))))
            handle = os.open(record_file(self._folder, entry), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._handles[entry] = handle
        return handle


def _as_json(messages: list[Message]) -> bytes:
    try:
        return _MESSAGES.dump_json(messages, exclude_none=True)
    except PydanticSerializationError:  # a lone surrogate, which needs an escape
        return json.dumps([message.model_dump(mode="json", exclude_none=True) for message in messages]).encode()


def record_file(folder: Path, entry: int) -> Path:
    """Return the file of an entry."""
    return folder / f"{entry}.jsonl"


def open_record(file: Path, why: str, begun: dict[str, Any] | None = None) -> tuple[str, EpisodeRecord]:
    """Return the name of an episode's run, and a record of its file's content, ended by an infrastructure error.

    `begun` is the empty record of an episode whose first call is perhaps not on disk. Raises RunError.
    """
    content: dict[str, Any] = dict(begun or {})
    messages: list[Any] = []
    number = 0
    try:
        for line in whole_lines(file) if file.exists() else ():
            found, number = json_content(file, line), line.number
            messages += found.pop("messages")
            content |= found
    except OSError as error:
        raise RunError(f"cannot read {file}: {error.strerror}") from error
    run = content.pop("run", "")
    ended = {"termination": Termination.INFRASTRUCTURE_ERROR, "error": why}
    return run, content_of(file, number, EpisodeRecord, content | ended | {"messages": messages})
