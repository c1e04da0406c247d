"""Replaying recorded calls of the official implementation and comparing all results (spec/conformance.md)."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from tau2_core.adapters.json_lines import UNREADABLE, numbered_lines
from tau2_core.episode.environment import ERROR_PREFIX, Environment
from tau2_core.episode.setting import Setting
from tau2_core.episode.setup import paired, set_state
from tau2_core.episode.tool_backend import LocalBackend
from tau2_core.errors import TaskError, UsageError
from tau2_core.llm.model import RoleModel
from tau2_core.model.episodes import EpisodeRecord
from tau2_core.model.llm import ModelRole
from tau2_core.model.messages import Requestor, ToolCall
from tau2_core.model.tasks import Assertion, InitialState, Task, UserScenario
from tau2_core.model.tools import ToolResult
from tau2_core.state.difference import Absent, path_text, value_changes
from tau2_core.validation_errors import first_wrong_part


class RecordedCall(BaseModel):
    model_config = ConfigDict(extra="ignore")

    requestor: Requestor
    name: str
    arguments: dict[str, Any]
    error: bool
    content: str | None
    compare: Literal["exact", "ignore_message", "outcome"]
    refused: bool | None = None
    facts: list[str] = []
    agent_db_hash: str | None = None


class RecordedAssertion(Assertion):
    met: bool | Literal["error"]


class RecordedEpisode(BaseModel):
    """One line of a file of recorded calls. Other keys may be options that the pack derives from a task."""

    model_config = ConfigDict(extra="allow")

    id: str
    domain: str
    variant: str = ""
    variant_options: dict[str, Any] = {}
    initial_state: InitialState | None = None
    start_agent_db_hash: str | None = None
    start_user_db_hash: str | None = None
    calls: list[RecordedCall]
    agent_db_hash: str | None = None
    user_db_hash: str | None = None
    assertions: list[RecordedAssertion] = []


@dataclass(frozen=True, slots=True)
class ReplayMismatch:
    """One place where our result differs from the recorded one."""

    file: Path
    line: int
    episode: str
    path: str
    recorded: Any
    ours: Any

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.episode}: {self.path}: recorded {self.recorded!r}, ours {self.ours!r}"

    def as_json(self) -> dict[str, Any]:
        """Return the place and both values; one that is absent has no key."""
        place = {"file": str(self.file), "line": self.line, "episode": self.episode, "path": self.path}
        values = {"recorded": self.recorded, "ours": self.ours}
        return place | {name: value for name, value in values.items() if not isinstance(value, Absent)}


@dataclass
class ReplayReport:
    """The result of a replay.

    `left_out` counts episodes by their variant and why it cannot be played here. The texts of `by_outcome` calls were
    not compared, since they depend on the machine that recorded them.
    """

    episodes: int = 0
    calls: int = 0
    mismatches: list[ReplayMismatch] = field(default_factory=list)
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    by_outcome: int = 0

    def closing_line(self) -> str:
        return f"episodes {self.episodes}, calls {self.calls}, mismatches {len(self.mismatches)}"

    def notes(self) -> Iterator[str]:
        """Yield a line for each variant whose episodes were left out, and one about what was not compared."""
        for (variant, why), count in sorted(self.left_out.items()):
            yield f"note: {count} episodes of variant {variant} were left out: {why}"
        if self.by_outcome:
            what = "calls were compared by outcome only, since their text depends on the machine that recorded them"
            yield f"note: {self.by_outcome} {what}"


def read_episodes(file: Path) -> Iterator[tuple[int, RecordedEpisode]]:
    """Yield (line number, episode) of a .jsonl or .jsonl.gz file. Raises UsageError naming file and line."""
    try:
        for number, line in numbered_lines(file):
            yield number, _read_episode(file, number, line)
    except UNREADABLE as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read {file}: {why}; give a .jsonl or .jsonl.gz file of recorded calls") from error


def _read_episode(file: Path, number: int, line: str) -> RecordedEpisode:
    try:
        return RecordedEpisode.model_validate(json.loads(line))
    except ValidationError as error:
        raise UsageError(f"{file}:{number}: not a recorded episode: {first_wrong_part(error)}") from error
    except ValueError as error:
        raise UsageError(f"{file}:{number}: not JSON: {error}") from error


@dataclass(frozen=True)
class Replayed:
    """Where recorded calls are made again: a setting, and the models of its searches, which answer in `loop`."""

    setting: Setting
    models: Mapping[ModelRole, RoleModel]
    loop: asyncio.Runner


def replay_file(
    file: Path,
    replayed_in: Callable[[str, str, str], Replayed | str],
    report: ReplayReport,
    on_episode: Callable[[], None] = lambda: None,
) -> None:
    """Replay all episodes of a file and add the results to the report.

    `replayed_in` returns a domain's setting in a variant with options, which are JSON text, or why it cannot be played.
    Raises UsageError for a damaged file, ModelError if a model cannot be reached.
    """
    for number, episode in read_episodes(file):
        options = json.dumps(episode.variant_options, sort_keys=True)
        replayed = replayed_in(episode.domain, episode.variant, options)
        if isinstance(replayed, str):
            report.left_out[episode.variant, replayed] += 1
            continue
        differences = list(replay_episode(replayed, episode, report))
        report.mismatches += [ReplayMismatch(file, number, episode.id, *difference) for difference in differences]
        report.episodes += 1
        report.calls += len(episode.calls)
        on_episode()


def replay_episode(
    replayed: Replayed, episode: RecordedEpisode, report: ReplayReport
) -> Iterator[tuple[str, Any, Any]]:
    """Yield (path, recorded, ours) for every difference of an episode. Raises ModelError."""
    setting = replayed.setting
    environment = Environment(setting, options=_task_options(setting, episode))
    history = (episode.initial_state.message_history if episode.initial_state else None) or []
    try:
        set_state(environment, episode.initial_state, history)
    except TaskError as error:
        yield "initial_state", "applied", str(error)
        return
    yield from _hashes(environment, "start_", episode.start_agent_db_hash, episode.start_user_db_hash)
    backend = LocalBackend(environment)
    backend.use({role: model.model_for(episode.id) for role, model in replayed.models.items()})
    for index, call in enumerate(episode.calls):
        made = ToolCall(name=call.name, arguments=call.arguments, requestor=call.requestor)
        tool = environment.route(made)
        search = environment.awaited(tool, made)
        if search is None:
            result = environment.call_tool(tool, made)
        else:
            result = replayed.loop.run(backend.call(made))
            if call.compare == "exact" and search.shows_machine(call.arguments):
                call.compare = "outcome"
                report.by_outcome += 1
        yield from compare_result(environment, call, result, f"calls[{index}]({call.name})")
    backend.close()
    yield from _hashes(environment, "", episode.agent_db_hash, episode.user_db_hash)
    for index, assertion in enumerate(episode.assertions):
        met = _holds(environment, assertion)
        if met != assertion.met:
            yield f"assertions[{index}]({assertion.func_name}).met", assertion.met, met


def record_differences(setting: Setting, task: Task, record: EpisodeRecord) -> Iterator[tuple[str, Any, Any]]:
    """Make all calls of a record again, reads included, and yield (path, recorded, ours) for every difference.

    A recorded text that begins with our error prefix counts as an error. Raises TaskError if the task's start state
    cannot be reached.
    """
    environment = Environment(setting, seed=record.seed, solo=record.solo, task=task)
    set_state(environment, task.initial_state, [])
    for index, (call, result) in enumerate(paired(record.messages)):
        awaited = environment.awaited(environment.route(call), call) is not None
        if result.skipped or awaited:  # a model or a program answered, not the world
            continue
        recorded = RecordedCall(
            requestor=call.requestor,
            name=call.name,
            arguments=call.arguments,
            error=result.error or (result.content or "").startswith(ERROR_PREFIX),
            content=result.content,
            compare="exact",
        )
        yield from compare_result(environment, recorded, environment.call(call), f"calls[{index}]({call.name})")


def _task_options(setting: Setting, episode: RecordedEpisode) -> dict[str, Any]:
    """Return the options that handlers had: what the pack derives from a task, as far as the line records it."""
    task = Task(id=episode.id, user_scenario=UserScenario(instructions=""))
    recorded = episode.model_extra or {}
    return {name: recorded.get(name, value) for name, value in setting.task_options(task).items()}


def _hashes(
    environment: Environment, prefix: str, agent: str | None, user: str | None
) -> Iterator[tuple[str, Any, Any]]:
    ours = environment.official_hashes()
    for role, recorded in (("agent", agent), ("user", user)):
        if recorded is not None and ours.get(role) != recorded:
            yield f"{prefix}{role}_db_hash", recorded, ours.get(role)


def compare_result(
    environment: Environment, call: RecordedCall, result: ToolResult, path: str
) -> Iterator[tuple[str, Any, Any]]:
    """Yield (path, recorded, ours) for every difference of a call's result."""
    failed = result.failure is not None
    if failed != call.error:
        yield f"{path}.error", call.error, f"{failed}: {result.content}"
    elif call.refused is not None and result.refused != call.refused:
        yield f"{path}.refused", call.refused, result.content
    elif not failed and call.compare != "outcome":
        recorded, ours = _parsed(call.content or ""), _parsed(result.content)
        if call.compare == "ignore_message":
            recorded, ours = _without_messages(recorded), _without_messages(ours)
        for change in value_changes(recorded, ours):
            place = path_text(change.path)
            yield f"{path}.content{'.' if place and not place.startswith('[') else ''}{place}", change.old, change.new
    yield from _facts(environment, call, result.content, path)


def _facts(environment: Environment, call: RecordedCall, content: str, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield the recorded values that a free wording lacks, and the hash after a call that changed the database."""
    for fact in call.facts:
        if fact not in content:
            yield f"{path}.facts", fact, content
    if call.agent_db_hash is not None and (ours := environment.official_hashes().get("agent")) != call.agent_db_hash:
        yield f"{path}.agent_db_hash", call.agent_db_hash, ours


def _holds(environment: Environment, assertion: Assertion) -> bool | Literal["error"]:
    try:
        return environment.holds(assertion)
    except Exception:  # noqa: BLE001 - raising is the result, which is compared
        return "error"


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _without_messages(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_messages(item) for key, item in value.items() if key != "message"}
    if isinstance(value, list):
        return [_without_messages(item) for item in value]
    return value
