"""The messages of open episodes on disk, written after every call, so that they survive the process that hosts them."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError

from tau2_core.errors import RunError
from tau2_core.gym.hosted_episode import HostedEpisode
from tau2_core.model.episodes import EpisodeRecord, Termination
from tau2_core.model.messages import Message
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

    def note(self, entry: int, episode: HostedEpisode) -> None:
        """Append what has happened since the last time. If that fails, the episode continues."""
        conversation = episode.episode.conversation
        done = self._written.get(entry, 0)
        messages = conversation.messages
        if len(messages) == done:
            return
        state = {
            "id": episode.id,
            "steps": conversation.steps,
            "tool_calls": conversation.tool_calls,
            "tool_errors": dict(sorted(conversation.failures.items())),
        }
        content = b'%s, "messages": %s}\n' % (json.dumps(state).encode()[:-1], _as_json(messages[done:]))
        self._written[entry] = len(messages)
        try:
            os.write(self._handle(entry), content)
        except OSError as error:
            log.error("what happens in episode %s is not on disk yet: %s", episode.id, error.strerror)

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


def recovered(folder: Path, entry: int, record: EpisodeRecord, why: str) -> EpisodeRecord:
    """Return the record of an episode from its file, ended by an infrastructure error. Raises RunError."""
    file = record_file(folder, entry)
    content: dict[str, Any] = record.line() | {"termination": Termination.INFRASTRUCTURE_ERROR, "error": why}
    messages: list[Any] = []
    try:
        for line in whole_lines(file) if file.exists() else ():
            found = json_content(file, line)
            messages += found.pop("messages")
            content |= found
    except OSError as error:
        raise RunError(f"cannot read {file}: {error.strerror}") from error
    return EpisodeRecord.model_validate(content | {"messages": messages})
