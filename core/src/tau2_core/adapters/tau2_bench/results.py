"""Official result files, read: conversations, their tasks, and the recorded verdicts (spec/evaluation.md, 8)."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tau2_core.errors import DatasetError
from tau2_core.model.episodes import EpisodeRecord, Termination
from tau2_core.model.tasks import Task

SOLO_AGENT, SOLO_USER = "llm_agent_solo", "dummy_user"


@dataclass(frozen=True)
class RecordedVerdict:
    """What a file says of a conversation; None where it says nothing, so that nothing is compared."""

    reward: float
    db_match: bool | None = None
    env_assertions: Sequence[bool] | None = None
    actions: Sequence[bool] | None = None
    communicate: Sequence[bool] | None = None
    basis: Sequence[str] | None = None
    pending: bool = False


@dataclass(frozen=True)
class Conversation:
    """One conversation of a result file. `domain` is the official name, which may hold a variant."""

    file: Path
    id: str
    domain: str
    solo: bool
    record: EpisodeRecord
    task: Task
    verdict: RecordedVerdict | None


@dataclass
class ResultFile:
    """A result file's parts: what it says of the run, its tasks, its simulations."""

    file: Path
    info: dict[str, Any]
    tasks: dict[str, dict[str, Any]]
    simulations: list[dict[str, Any]]
    _parsed: dict[str, Task] = field(default_factory=dict)

    @property
    def domain(self) -> str:
        name = (self.info.get("environment_info") or {}).get("domain_name")
        if not isinstance(name, str):
            raise DatasetError(f"{self.file}: it does not say its domain (info.environment_info.domain_name)")
        return name

    @property
    def solo(self) -> bool:
        agent = (self.info.get("agent_info") or {}).get("implementation")
        user = (self.info.get("user_info") or {}).get("implementation")
        return bool(agent == SOLO_AGENT and user == SOLO_USER)

    def task(self, task_id: str) -> Task:
        """Return a task by id. Raises DatasetError."""
        if task_id not in self._parsed:
            if task_id not in self.tasks:
                raise DatasetError(f"{self.file}: a simulation names task {task_id!r}, which the file does not hold")
            try:
                self._parsed[task_id] = Task.model_validate(self.tasks[task_id])
            except ValidationError as error:
                raise DatasetError(f"{self.file}: task {task_id!r}: {_first(error)}") from error
        return self._parsed[task_id]

    def conversations(self) -> Iterator[Conversation]:
        """Yield the simulations in file order. Raises DatasetError naming the one that cannot be read."""
        for number, simulation in enumerate(self.simulations):
            task = self.task(str(simulation.get("task_id")))
            name = str(simulation.get("id", number))
            yield Conversation(
                self.file,
                name,
                self.domain,
                self.solo,
                self._record(simulation, task, name),
                task,
                read_verdict(simulation.get("reward_info")),
            )

    def _record(self, simulation: dict[str, Any], task: Task, name: str) -> EpisodeRecord:
        try:
            return EpisodeRecord(
                domain=self.domain,
                task_id=task.id,
                trial=simulation.get("trial") or 0,
                seed=simulation.get("seed") or 0,
                termination=Termination(str(simulation.get("termination_reason"))),
                solo=self.solo,
                mode="tau2",
                messages=simulation.get("messages") or [],
            )
        except ValidationError as error:
            raise DatasetError(f"{self.file}: simulation {name}: {_first(error)}") from error
        except ValueError as error:
            raise DatasetError(f"{self.file}: simulation {name}: {error}") from error


def read_result_files(path: Path) -> list[ResultFile]:
    """Read a path: a result file (.json, .json.gz), or a folder of one run or of many. Raises DatasetError."""
    if path.is_file():
        return [_read_file(path)]
    if not path.is_dir():
        raise DatasetError(f"{path}: no such file or folder")
    if (path / "results.json").is_file():
        return [_read_file(path / "results.json")]
    files = sorted([*path.rglob("*.json"), *path.rglob("*.json.gz")])
    runs = [file for file in files if file.name == "results.json"]
    if not files:
        raise DatasetError(f"{path}: holds no .json file")
    return [_read_file(file) for file in runs or files]


def _read_file(file: Path) -> ResultFile:
    content = _json(file)
    if isinstance(content, dict) and "simulations" not in content and "messages" in content:
        content = {"simulations": [content]}
    if not isinstance(content, dict) or not isinstance(content.get("simulations", []), list):
        raise DatasetError(f"{file}: no result file: it should be an object with `simulations`")
    simulations = list(content.get("simulations") or [])
    folder = file.parent / "simulations"
    if not simulations and file.name.startswith("results.") and folder.is_dir():
        simulations = [_json(part) for part in sorted(folder.glob("*.json"))]
    tasks = {str(task.get("id")): task for task in content.get("tasks") or []}
    return ResultFile(file, content.get("info") or {}, tasks, simulations)


def read_verdict(info: dict[str, Any] | None) -> RecordedVerdict | None:
    """Return a recorded reward_info in our parts."""
    if not info or info.get("reward") is None:
        return None
    db = info.get("db_check") or {}
    note = info.get("info") or {}
    return RecordedVerdict(
        reward=float(info["reward"]),
        db_match=db.get("db_match"),
        env_assertions=_flags(info.get("env_assertions"), "met"),
        actions=_flags(info.get("action_checks"), "action_match"),
        communicate=_flags(info.get("communicate_checks"), "met"),
        basis=info.get("reward_basis"),
        pending=isinstance(note, dict) and note.get("nl_assertion") == "pending",
    )


def _flags(checks: list[dict[str, Any]] | None, key: str) -> list[bool] | None:
    return None if not checks else [bool(check[key]) for check in checks]


def _json(file: Path) -> Any:
    try:
        raw = file.read_bytes()
        return json.loads(gzip.decompress(raw) if file.suffix == ".gz" else raw)
    except (OSError, EOFError) as error:
        raise DatasetError(f"{file}: cannot be read: {error}") from error
    except ValueError as error:
        raise DatasetError(f"{file}: not JSON: {error}") from error


def _first(error: ValidationError) -> str:
    detail = error.errors(include_url=False)[0]
    return f"{'.'.join(str(part) for part in detail['loc'])}: {detail['msg']}"
