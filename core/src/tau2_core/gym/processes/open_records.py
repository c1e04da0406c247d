"""The messages of open episodes on disk, written after every call, so that they survive the process that hosts them."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

from tau2_core.errors import RunError
from tau2_core.gym.hosted_episode import HostedEpisode
from tau2_core.model.episodes import EpisodeRecord, Termination
from tau2_core.records.lines import json_content, whole_lines

log = logging.getLogger(__name__)


class OpenRecords:
    """One file for each open episode of a worker, named by its entry in its run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: dict[int, int] = {}

    def note(self, entry: int, episode: HostedEpisode) -> None:
        """Append what has happened since the last time. If that fails, the episode continues."""
        conversation = episode.episode.conversation
        done = self._written.get(entry, 0)
        messages = conversation.messages
        if len(messages) == done:
            return
        line = {
            "id": episode.id,
            "steps": conversation.steps,
            "tool_calls": conversation.tool_calls,
            "tool_errors": dict(sorted(conversation.failures.items())),
            "messages": [message.model_dump(mode="json", exclude_none=True) for message in messages[done:]],
        }
        content = f"{json.dumps(line)}\n".encode()
        self._written[entry] = len(messages)
        try:
            handle = os.open(record_file(self._folder, entry), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(handle, content)
            finally:
                os.close(handle)
        except OSError as error:
            log.error("what happens in episode %s is not on disk yet: %s", episode.id, error.strerror)

    def remove(self, entry: int) -> None:
        """Remove the file of an episode whose record is kept."""
        if self._written.pop(entry, None) is not None:
            record_file(self._folder, entry).unlink(missing_ok=True)


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
