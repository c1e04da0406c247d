"""Reading transcripts: JSON lines of conversations in chat-completions messages, from any agent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from tau2_core.adapters.chat_messages import recorded_messages
from tau2_core.adapters.json_lines import UNREADABLE, numbered_lines
from tau2_core.adapters.tau2_bench.results import FindTask, RecordedConversation
from tau2_core.errors import DatasetError
from tau2_core.model.episodes import ArgumentMode, EpisodeRecord, Termination
from tau2_core.model.messages import Message, ToolMessage, UserMessage
from tau2_core.model.tasks import Task
from tau2_core.validation_errors import first_wrong_part

SUFFIXES = (".jsonl", ".jsonl.gz")


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow")


class _Function(_Part):
    name: str = Field(min_length=1)
    arguments: str | dict[str, Any] = "{}"


class _Call(_Part):
    id: str | None = None
    function: _Function


class ChatMessage(_Part):
    """A message as chat completions have it. Other keys are ignored."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class _Line(_Part):
    """One conversation. Other keys are ignored."""

    messages: list[ChatMessage] = Field(min_length=1)
    id: Annotated[str | None, BeforeValidator(_as_text)] = None
    task_id: Annotated[str | None, BeforeValidator(_as_text)] = None
    trial: int | None = Field(default=None, ge=0)
    seed: int = 0
    termination: Termination = Termination.AGENT_STOP


@dataclass
class TranscriptFile:
    """A file of transcripts. A conversation without a trial is its task's next one in the file.

    `task_id` is the task of lines that name none. A transcript has no verdict, and does not name its domain.
    """

    file: Path
    task_id: str | None
    solo: bool
    mode: ArgumentMode
    domain: None = None
    _lines: list[tuple[int, _Line | str]] = field(default_factory=list)
    _trials: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._lines)

    def line_number(self, number: int) -> int:
        """Return the line, from 1, of a conversation."""
        return self._lines[number][0]

    def conversation(self, number: int, domain: str, find: FindTask) -> RecordedConversation:
        """Return one conversation. Raises DatasetError naming file and line if it cannot be read."""
        line, content = self._lines[number]
        place = f"{self.file}:{line}"
        if isinstance(content, str):
            raise DatasetError(f"{place}: {content}")
        task_id = content.task_id or self.task_id
        if task_id is None:
            raise DatasetError(f"{place}: it does not name its task; add `task_id`, or give --task")
        task = find(task_id)
        if task is None:
            raise DatasetError(f"{place}: {domain} has no task {task_id!r}; `tau2-gym tasks {domain}` lists them")
        try:
            messages = list(in_order([message.model_dump() for message in content.messages]))
        except ValueError as error:
            raise DatasetError(f"{place}: {error}") from error
        if self.solo and any(isinstance(message, UserMessage) for message in messages):
            raise DatasetError(f"{place}: a customer speaks, but --solo is for conversations without one")
        record = EpisodeRecord(
            domain=domain,
            task_id=task.id,
            trial=self._trials[number],
            seed=content.seed,
            termination=content.termination,
            solo=self.solo,
            mode=self.mode,
            tool_calls=sum(isinstance(message, ToolMessage) for message in messages),
            messages=_with_history(task, messages),
        )
        return RecordedConversation(self.file, content.id or f"line {line}", domain, self.solo, record, task, None)


def is_transcript(path: Path) -> bool:
    """Tell whether a path names a file of transcripts, by its suffix."""
    return path.name.endswith(SUFFIXES)


def read_transcripts(file: Path, task_id: str | None, *, solo: bool, mode: ArgumentMode) -> TranscriptFile:
    """Read a file; a line that cannot be read is an error when its conversation is asked for. Raises DatasetError."""
    found = TranscriptFile(file, task_id, solo, mode)
    counts: dict[str | None, int] = {}
    try:
        for number, text in numbered_lines(file):
            line = _read_line(text)
            found._lines.append((number, line))
            task = task_id if isinstance(line, str) else line.task_id or task_id
            given = None if isinstance(line, str) else line.trial
            found._trials.append(counts.get(task, 0) if given is None else given)
            counts[task] = counts.get(task, 0) + 1
    except UNREADABLE as error:
        raise DatasetError(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not len(found):
        raise DatasetError(f"{file}: contains no conversation; write one JSON object with `messages` on each line")
    return found


def _read_line(text: str) -> _Line | str:
    """Return a line's conversation, or why it cannot be read."""
    try:
        return _Line.model_validate(json.loads(text))
    except ValidationError as error:
        return f"not a conversation: {first_wrong_part(error)}"
    except (ValueError, RecursionError) as error:
        return f"not JSON: {error}"


def in_order(chat: Sequence[dict[str, Any]]) -> Iterator[Message]:
    """Yield the messages with the results of a message's calls in the order of the calls, as the record has them.

    Raises ValueError naming the message, counted from 0, if a call has no result, or a result no call.
    """
    position = 0
    while position < len(chat):
        message = chat[position]
        if message["role"] == "tool":
            raise ValueError(f"messages.{position}: a tool result that follows no call with its id")
        calls = message["tool_calls"] or []
        results = chat[position + 1 : position + 1 + len(calls)]
        yield from recorded_messages([message, *_matched(position, calls, results)])
        position += 1 + len(calls)


def _matched(
    position: int, calls: Sequence[dict[str, Any]], results: Sequence[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Yield each call's result: the one with its id, or the one at the same position if either has no id."""
    left = [result for result in results if result["role"] == "tool"]
    for call in calls:
        same = [result for result in left if result["tool_call_id"] == call["id"]]
        anonymous = [result for result in left if not (result["tool_call_id"] and call["id"])]
        result = next(iter(same or anonymous), None)
        if result is None:
            name = call["function"]["name"]
            raise ValueError(f"messages.{position}: call {name} (id {call['id']!r}) is not followed by its result")
        left.remove(result)
        yield result


def _with_history(task: Task, messages: list[Message]) -> list[Message]:
    """Return a conversation with the messages from before the task begins, if it does not begin with them itself."""
    history = task.history()
    begins = [_substance(message) for message in messages[: len(history)]]
    return messages if begins == [_substance(message) for message in history] else [*history, *messages]


def _substance(message: Message) -> tuple[Any, ...]:
    calls = getattr(message, "tool_calls", None) or []
    return message.role, message.content or "", [(call.name, call.arguments) for call in calls]
