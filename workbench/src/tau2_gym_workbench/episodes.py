"""One episode, read from its positions in the run's files, and its conversation as pages show it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ValidationError
from tau2_core import RunEpisode
from tau2_core.errors import RunError, UsageError
from tau2_core.model.episodes import EpisodeRecord
from tau2_core.model.evaluation import Grade, Judgement
from tau2_core.model.latency import Latency
from tau2_core.model.llm import is_cut_off
from tau2_core.model.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage
from tau2_core.model.paired_calls import paired_calls
from tau2_core.model.tasks import Task
from tau2_core.records.customer_turns import turn_lines
from tau2_core.records.journal import EPISODES, GRADES, JUDGEMENTS, TASKS, TIMINGS
from tau2_core.records.lines import line_at
from tau2_core.validation_errors import first_wrong_part

from tau2_gym_workbench.index import RunIndex
from tau2_gym_workbench.line_parts import read_timing

WINDOW = 300  # messages per page
NO_SECONDS: Mapping[int, float] = MappingProxyType({})


@dataclass(frozen=True)
class StoredEpisode:
    """An episode of a run with its task, and the recorded seconds of its messages, by number.

    `task` is None if it is no longer among the run's tasks.
    """

    key: str
    number: int
    trial: int
    task_id: str
    shown: RunEpisode
    task: Task | None
    seconds: Mapping[int, float]

    @property
    def record(self) -> EpisodeRecord:
        return self.shown.record

    @property
    def grade(self) -> Grade | None:
        return self.shown.grade

    @cached_property
    def calls(self) -> list[MadeCall]:
        """All calls of both sides, in order."""
        return [call for turn in self.turns for call in turn.calls]

    @cached_property
    def turns(self) -> list[Turn]:
        """All messages, with the results of calls attached to the calls."""
        behind = {turn.message: turn_lines(turn) for turn in self.record.customer_turns or ()}
        every = turns(self.record.messages, self.seconds)
        return [replace(turn, behind=behind[turn.number]) if turn.number in behind else turn for turn in every]


@dataclass(frozen=True, slots=True)
class MadeCall:
    """A call with its result. `message` is the number of the message that made the call, `number` the call's own."""

    number: int
    message: int
    call: ToolCall
    result: ToolMessage | None
    seconds: float | None = None

    @property
    def failed(self) -> bool:
        return self.result is None or self.result.error


@dataclass(frozen=True, slots=True)
class Turn:
    """One message with its calls and their results; `side` is agent, customer, system or tool.

    `behind`: lines about the plan and the drafts behind a customer's message, which are hidden from the agent.
    """

    number: int
    side: str
    text: str | None
    calls: Sequence[MadeCall]
    cost: float | None = None
    usage: dict[str, Any] | None = None
    cut_off: bool = False
    seconds: float | None = None
    behind: Sequence[str] = ()

    @property
    def tokens(self) -> int | None:
        """All tokens of the message, if its provider reported them."""
        found = self.usage or {}
        total = found.get("total_tokens")
        if isinstance(total, int):
            return total
        parts = [found.get(name) for name in ("prompt_tokens", "completion_tokens")]
        return sum(each for each in parts if isinstance(each, int)) or None


def turns(messages: Sequence[Message], seconds: Mapping[int, float] = NO_SECONDS) -> Iterator[Turn]:
    """Yield the messages of a conversation, each call with its result."""
    made: dict[int, list[MadeCall]] = {}
    results: set[int] = set()
    for count, pair in enumerate(paired_calls(messages)):
        calls = made.setdefault(pair.turn, [])
        answered = pair.turn + 1 + len(calls)
        calls.append(MadeCall(count, pair.turn, pair.call, pair.result, seconds.get(answered)))
        if pair.result is not None:
            results.add(answered)
    for number, message in enumerate(messages):
        if number in results:
            continue
        if not isinstance(message, AssistantMessage | UserMessage):
            yield Turn(number, "tool" if isinstance(message, ToolMessage) else "system", message.content, [])
            continue
        yield Turn(
            number,
            "agent" if isinstance(message, AssistantMessage) else "customer",
            message.content,
            made.get(number, []),
            message.cost,
            message.usage,
            is_cut_off(message.finish_reason),
            seconds.get(number),
        )


def starts(whole: Sequence[Turn]) -> list[int]:
    """Return the number of the first message on each page of a conversation."""
    return [turn.number for turn in whole[::WINDOW]] or [0]


def read_episode(index: RunIndex, key: str, task: int, trial: int) -> StoredEpisode:
    """Read one episode. Raises UsageError if it is not finished, RunError if its lines are damaged or missing."""
    names = index.config["tasks"]
    if not 0 <= task < len(names):
        raise UsageError(f"there is no task number {task}: the run has {len(names)} tasks, counted from 0")
    if not 0 <= trial < index.config["trials"]:
        raise UsageError(f"there is no trial {trial}: the run has {index.config['trials']}, counted from 0")
    with index.reading() as connection:

        def row(table: str) -> Any:
            query = f"SELECT * FROM {table} WHERE task = ? AND trial = ?"  # noqa: S608 - our own names
            return connection.execute(query, (task, trial)).fetchone()

        record, grade, judgement, timing = (row(name) for name in ("episodes", "grades", "judgements", "timings"))
        told = connection.execute("SELECT begin, end FROM tasks WHERE task = ?", [task]).fetchone()
    if record is None:
        raise UsageError(f"{names[task]}, trial {trial} is not finished")
    said = _read(index, JUDGEMENTS, judgement) if judgement else None
    seconds = _read(index, TIMINGS, timing, read_timing) if timing else None
    return StoredEpisode(
        key,
        task,
        trial,
        names[task],
        RunEpisode(
            _model(EpisodeRecord, index, EPISODES, _read(index, EPISODES, record)),
            _model(Grade, index, GRADES, _read(index, GRADES, grade)) if grade else None,
            _model(Judgement, index, JUDGEMENTS, {k: v for k, v in said.items() if k not in ("task_id", "trial")})
            if said
            else None,
            seconds.seconds if seconds else None,
        ),
        _model(Task, index, TASKS, _read(index, TASKS, told)) if told else None,
        Latency(seconds.latency).by_message() if seconds else {},
    )


def _read(index: RunIndex, name: str, row: Any, decode: Callable[[bytes], Any] = json.loads) -> Any:
    try:
        return decode(line_at(index.folder / name, row["begin"], row["end"]))
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(index, name, str(error)) from error


def _model(model: type[BaseModel], index: RunIndex, name: str, content: Any) -> Any:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise _unreadable(index, name, first_wrong_part(error)) from error


def _unreadable(index: RunIndex, name: str, why: str) -> RunError:
    file = index.folder / name
    return RunError(
        f"{file}: the line of this episode is damaged, or changed while it was being read: {why}; "
        "reload the page, or restore the file"
    )
