"""Reading official result files: conversations, their tasks, and recorded verdicts (spec/evaluation.md, 8)."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tau2_core.errors import DatasetError
from tau2_core.model.episodes import ArgumentMode, EpisodeRecord, Termination
from tau2_core.model.tasks import Task
from tau2_core.packs.pack_files import matching_files
from tau2_core.validation_errors import first_wrong_part

SOLO_AGENT, SOLO_USER = "llm_agent_solo", "dummy_user"
RESULTS = ("results.json", "results.json.gz")


@dataclass(frozen=True)
class RecordedVerdict:
    """The recorded verdict on a conversation. Missing parts are None and not compared."""

    reward: float
    db_match: bool | None = None
    env_assertions: Sequence[bool] | None = None
    actions: Sequence[bool] | None = None
    communicate: Sequence[bool] | None = None
    basis: Sequence[str] | None = None
    pending: bool = False
    checked: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def is_of(self, task: Task) -> bool:
        """Tell whether the recorded checks fit a task, or the file does not say what was checked."""
        return all(_asked(task, criterion) == checked for criterion, checked in self.checked.items())


@dataclass(frozen=True)
class RecordedConversation:
    """One conversation of a result file. `domain` is the official name, which may include a variant.

    `checks_of` is the task in the file to which the recorded checks belong, if it is a different one.
    """

    file: Path
    id: str
    domain: str
    solo: bool
    record: EpisodeRecord
    task: Task
    verdict: RecordedVerdict | None
    checks_of: str | None = None


FindTask = Callable[[str], Task | None]


def _no_task(task_id: str) -> Task | None:  # noqa: ARG001 - a search that finds nothing
    return None


@dataclass
class ResultFile:
    """The parts of a result file: information about the run, tasks and simulations."""

    file: Path
    info: dict[str, Any]
    tasks: dict[str, dict[str, Any]]
    simulations: list[Any]
    _parsed: dict[str, Task] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.simulations)

    @property
    def domain(self) -> str | None:
        """The official domain name; None if the file does not name it, as in bare simulations."""
        name = _mapping(self.info.get("environment_info")).get("domain_name")
        return name if isinstance(name, str) else None

    @property
    def solo(self) -> bool:
        agent = _mapping(self.info.get("agent_info")).get("implementation")
        user = _mapping(self.info.get("user_info")).get("implementation")
        return bool(agent == SOLO_AGENT and user == SOLO_USER)

    @property
    def mode(self) -> ArgumentMode:
        """The argument mode of the calls: `tau2` in official files; our own files name it."""
        return "strict" if _mapping(self.info.get("environment_info")).get("argument_mode") == "strict" else "tau2"

    def task(self, task_id: str, find: FindTask = _no_task) -> Task:
        """Return a task by id: the file's own, or the one that `find` returns. Raises DatasetError."""
        if task_id not in self._parsed:
            if task_id in self.tasks:
                try:
                    self._parsed[task_id] = Task.model_validate(self.tasks[task_id])
                except ValidationError as error:
                    raise DatasetError(f"{self.file}: task {task_id!r}: {first_wrong_part(error)}") from error
            else:
                found = find(task_id)
                if found is None:
                    what = f"{self.file}: it does not contain task {task_id!r}, which a simulation names"
                    raise DatasetError(f"{what}; give its tasks with --dataset")
                self._parsed[task_id] = found
        return self._parsed[task_id]

    def conversation(self, number: int, domain: str, find: FindTask = _no_task) -> RecordedConversation:
        """Return one simulation. Raises DatasetError naming it if it cannot be read."""
        simulation = self.simulations[number]
        if not isinstance(simulation, dict):
            raise DatasetError(f"{self.file}: simulation {number} is not an object")
        name = str(simulation.get("id", number))
        if not isinstance(simulation.get("task_id"), str):
            raise DatasetError(f"{self.file}: simulation {name}: `task_id` should be text")
        if simulation.get("ticks") is not None or simulation.get("mode") == "full_duplex":
            what = f"{self.file}: simulation {name} is full-duplex: its conversation is in `ticks`"
            raise DatasetError(f"{what}, which cannot be graded; give files of half-duplex (text) conversations")
        task = self.task(simulation["task_id"], find)
        record = self._record(simulation, task, name, domain)
        try:
            verdict = read_verdict(simulation.get("reward_info"))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            why = f"{type(error).__name__}: {error}"
            raise DatasetError(f"{self.file}: simulation {name}: its reward_info cannot be read: {why}") from error
        checks_of = None if verdict is None or verdict.is_of(task) else self._owner(verdict)
        return RecordedConversation(self.file, name, domain, self.solo, record, task, verdict, checks_of)

    def _owner(self, verdict: RecordedVerdict) -> str | None:
        """Return the id of a task in the file that fits the recorded checks; None if there is none."""
        for task_id in self.tasks:
            with suppress(DatasetError):  # an unreadable task is reported with its own conversations
                if verdict.is_of(self.task(task_id)):
                    return task_id
        return None

    def _record(self, simulation: dict[str, Any], task: Task, name: str, domain: str) -> EpisodeRecord:
        try:
            return EpisodeRecord(
                domain=domain,
                task_id=task.id,
                trial=simulation.get("trial") or 0,
                seed=simulation.get("seed") or 0,
                termination=Termination(str(simulation.get("termination_reason"))),
                solo=self.solo,
                mode=self.mode,
                messages=simulation.get("messages") or [],
            )
        except ValidationError as error:
            raise DatasetError(f"{self.file}: simulation {name}: {first_wrong_part(error)}") from error
        except ValueError as error:
            raise DatasetError(f"{self.file}: simulation {name}: {error}") from error


def result_files(path: Path) -> list[Path]:
    """Return the result files of a path: the file itself, or those in a folder of runs. Raises DatasetError."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DatasetError(f"{path}: no such file or folder")
    for name in RESULTS:
        if (path / name).is_file():
            return [path / name]
    files = sorted(matching_files(path, "**/*.json") + matching_files(path, "**/*.json.gz"))
    if not files:
        raise DatasetError(f"{path}: contains no .json file")
    return [file for file in files if file.name in RESULTS] or files


def read_result_file(file: Path) -> ResultFile:
    """Read one result file, or one bare simulation. Raises DatasetError."""
    content = _json(file)
    if isinstance(content, dict) and "simulations" not in content and "messages" in content:
        content = {"simulations": [content]}
    if not isinstance(content, dict) or not ({"simulations", "simulation_index", "info"} & content.keys()):
        raise DatasetError(f"{file}: not a result file: it should be an object with `simulations`")
    simulations, tasks, info = (content.get(key) or [] for key in ("simulations", "tasks", "info"))
    if not isinstance(simulations, list) or not isinstance(tasks, list):
        raise DatasetError(f"{file}: not a result file: `simulations` and `tasks` should be lists")
    folder = file.parent / "simulations"
    if not simulations and file.name in RESULTS and folder.is_dir():
        simulations = _simulations(file, folder, content.get("simulation_index"))
    known = {str(task.get("id")): task for task in tasks if isinstance(task, dict)}
    _refuse_copies(file, simulations)
    return ResultFile(file, _mapping(info), known, simulations)


def _refuse_copies(file: Path, simulations: Sequence[Any]) -> None:
    """Refuse a file with a duplicate simulation, by id or by content, which would count twice."""
    ids: dict[Any, int] = {}
    contents: dict[str, int] = {}
    for number, each in enumerate(simulations):
        if not isinstance(each, dict):
            continue
        keys = ("task_id", "trial", "seed", "start_time", "messages", "ticks")
        content = json.dumps([each.get(key) for key in keys], sort_keys=True)
        name = each.get("id")
        known = (ids.get(str(name)) if name is not None else None, contents.get(content))
        first = next((seen for seen in known if seen is not None), None)
        if first is not None:
            what = f"{file}: it contains simulation {each.get('id', number)} (task {each.get('task_id')}) twice"
            raise DatasetError(f"{what}, as numbers {first} and {number}; remove one, so that it counts once")
        contents[content] = number
        if name is not None:
            ids[str(name)] = number


def _simulations(file: Path, folder: Path, index: Any) -> list[Any]:
    """Read the folder format. The index must name exactly the existing files, as in tau2-bench."""
    parts = {part.name.partition(".json")[0]: part for part in matching_files(folder, "*.json*")}
    if isinstance(index, list):
        named = {str(_mapping(entry).get("id")) for entry in index}
        wrong = sorted(named ^ parts.keys())
        if wrong:
            where = "is in the index, but not in" if wrong[0] in named else "is not in the index, but in"
            raise DatasetError(f"{file}: simulation {wrong[0]} {where} {folder}; restore the folder")
    return [_json(part) for part in parts.values()]


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def read_verdict(info: dict[str, Any] | None) -> RecordedVerdict | None:
    """Return the recorded verdict of a reward_info."""
    if not info or info.get("reward") is None:
        return None
    db = info.get("db_check") or {}
    note = info.get("info") or {}
    reward = info["reward"]
    if isinstance(reward, bool) or not isinstance(reward, int | float):
        raise TypeError(f"`reward` should be a number, not {reward!r}")
    return RecordedVerdict(
        reward=float(reward),
        db_match=_flag(db.get("db_match"), "db_match"),
        env_assertions=_flags(info.get("env_assertions"), "met"),
        actions=_flags(info.get("action_checks"), "action_match"),
        communicate=_flags(info.get("communicate_checks"), "met"),
        basis=info.get("reward_basis"),
        pending=isinstance(note, dict) and note.get("nl_assertion") == "pending",
        checked={
            criterion: asked
            for criterion, asked in (
                ("ACTION", _contents(info.get("action_checks"), "action")),
                ("ENV_ASSERTION", _contents(info.get("env_assertions"), "env_assertion")),
                ("COMMUNICATE", _contents(info.get("communicate_checks"), "info")),
            )
            if asked
        },
    )


def _flags(checks: list[dict[str, Any]] | None, key: str) -> list[bool] | None:
    return None if not checks else [bool(_flag(check[key], key)) for check in checks]


def _flag(value: Any, key: str) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise TypeError(f"`{key}` should be true or false, not {value!r}")
    return value


def _contents(checks: list[dict[str, Any]] | None, key: str) -> list[Any]:
    """Return the subjects of recorded checks, in the form of `_asked`; none if one of them does not name it."""
    asked = [_content(check.get(key)) for check in checks or []]
    return [] if None in asked else asked


def _content(subject: Any) -> Any:
    if isinstance(subject, dict):
        return (subject.get("name") or subject.get("func_name"), subject.get("arguments") or {})
    return subject


def _asked(task: Task, criterion: str) -> list[Any]:
    criteria = task.evaluation_criteria
    if criteria is None:
        return []
    if criterion == "ACTION":
        return [(each.name, each.arguments) for each in task.gold()]
    if criterion == "ENV_ASSERTION":
        return [(each.func_name, each.arguments) for each in criteria.env_assertions or []]
    return list(criteria.communicate_info or [])


def _json(file: Path) -> Any:
    try:
        raw = file.read_bytes()
        return json.loads(gzip.decompress(raw) if file.suffix == ".gz" else raw)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{file}: cannot be read: {error}") from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{file}: not JSON: {error}") from error
