"""The front's side of one worker's episodes: their entries in runs, and their records if the worker dies."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from tau2_core.episode.episode_record import empty_record
from tau2_core.errors import RunError, Tau2GymError
from tau2_core.gym.errors import RefusedError
from tau2_core.gym.expiry import expire
from tau2_core.gym.hosted_episode import Blueprint
from tau2_core.gym.processes.content import blueprint_at, content_digest, content_of_run
from tau2_core.gym.processes.messages import (
    Begin,
    Claim,
    Claimed,
    Entered,
    Fail,
    Graded,
    JudgedEntry,
    Keep,
    Open,
    Request,
    Where,
)
from tau2_core.gym.processes.open_records import open_record, record_file
from tau2_core.gym.registry import Registry
from tau2_core.gym.served_runs import LocalEntry, ServedRuns
from tau2_core.gym.server_settings import ServerSettings
from tau2_core.model.episodes import EpisodeRecord, Slot
from tau2_core.model.evaluation import Grade, Judgement
from tau2_core.model.latency import Latency
from tau2_core.model.tasks import Task
from tau2_core.model.tokens import TracedCall
from tau2_core.runs.executors.shared_models import SharedModels

log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Entry:
    entry: LocalEntry
    blueprint: Blueprint
    record: EpisodeRecord | None = None  # once the record is kept


@dataclass(eq=False)
class SharedState:
    """What all workers share: the runs of the server, and the folder for the state of open episodes."""

    settings: ServerSettings
    registry: Registry
    runs: ServedRuns
    models: SharedModels
    folder: Path
    numbers: count[int] = field(default_factory=count)
    contents: dict[Where | None, str] = field(
        default_factory=dict
    )  # digests of the content that episodes are played with


class WorkerEntries:
    """The episodes that one worker plays in the server's runs."""

    def __init__(self, shared: SharedState) -> None:
        self._shared = shared
        self._entries: dict[int, _Entry] = {}
        self._claims: set[Slot] = set()
        self._answers: dict[type[Any], Callable[[Any], Awaitable[Any]]] = {
            Begin: self._begin,
            Keep: self._keep,
            Graded: self._graded,
            Claim: self._claim,
            Fail: self._fail,
        }

    async def answer(self, request: Request) -> Any:
        """Answer a worker's request about runs. Raises Tau2GymError."""
        return await self._answers[type(request)](request)

    async def _begin(self, request: Begin) -> Entered:
        shared, task_id = self._shared, request.task_id
        if request.trial is not None:
            blueprint = shared.runs.blueprint(Slot(task_id, request.trial))
        else:
            assert request.where is not None
            blueprint = await shared.registry.workers.run(partial(self._blueprint, request, request.where))
        entry = await shared.runs.begin(blueprint, request.episode_id)
        number = next(shared.numbers)
        self._entries[number] = _Entry(entry, blueprint)
        return Entered(number, entry.trial, entry.run_name, shared.models.exchanges(Slot(task_id, entry.trial)))

    def _blueprint(self, request: Begin, where: Where) -> Blueprint:
        shared = self._shared
        task = Task.model_validate(json.loads(request.task)) if request.task else None
        blueprint = blueprint_at(shared.settings, where, task=task, seed=request.seed)
        shared.runs.prepare(blueprint, shared.registry.graded_by)
        return blueprint

    async def agree(self, request: Open) -> None:
        """Refuse an episode whose worker has loaded different content from this process. Raises RefusedError (503)."""
        shared, where = self._shared, request.where
        if where not in shared.contents:
            shared.contents[where] = await shared.registry.workers.run(partial(self._content, where))
        if shared.contents[where] != request.content:
            domain = where.domain if where else shared.settings.domains[0]
            what = f"domain {domain!r} has changed since this server was started; restore it, or start the server anew"
            raise RefusedError(503, "changed_domain", what)

    def _content(self, where: Where | None) -> str:
        shared = self._shared
        if where is None:
            assert shared.runs.planned is not None
            return content_digest(content_of_run(shared.runs.planned.config))
        blueprint = blueprint_at(shared.settings, where)
        shared.runs.prepare(blueprint, shared.registry.graded_by)
        return content_digest(content_of_run(shared.runs.configuration_of(blueprint)))

    async def _keep(self, request: Keep) -> None:
        under_way = self._entries[request.entry]
        record = EpisodeRecord.model_validate(json.loads(request.record))
        traced = [TracedCall.model_validate(json.loads(line)) for line in request.traced]
        await under_way.entry.keep(request.episode_id, record, traced, lost=request.lost)
        under_way.record = record
        self._settle(under_way.blueprint.slot)
        await under_way.entry.notify(record)

    async def _graded(self, request: Graded) -> None:
        under_way = self._entries.pop(request.entry)
        if request.grade and under_way.record is not None:
            grade = Grade.model_validate(json.loads(request.grade))
            under_way.entry.note_grade(under_way.record, grade, request.seconds, request.latency)

    async def _claim(self, _request: Claim) -> Claimed:
        try:
            claim = await self._shared.runs.claim()
        except RefusedError as refusal:
            if refusal.code != "all_claimed":
                raise
            await expire(self._shared.registry)  # another worker may have an episode whose time is up
            claim = await self._shared.runs.claim()
        self._claims.add(claim.slot)
        return Claimed(claim.slot.task_id, claim.slot.trial, claim.attempt)

    async def _fail(self, request: Fail) -> None:
        slot = Slot(request.task_id, request.trial)
        await self._shared.runs.fail(slot, request.seed, request.why)
        self._settle(slot)

    def judged(self, notice: JudgedEntry) -> None:
        """Append a judge's decision."""
        said = notice.judged
        judgement = Judgement.model_validate_json(said.judgement)
        try:
            self._entries[notice.entry].entry.note_judgement(Slot(said.task_id, said.trial), judgement)
        except RunError as error:
            log.error("a judgement is lost: %s", error)

    def give_back(self, slot: Slot) -> None:
        """Return a slot whose episode could not be opened."""
        self._settle(slot)
        self._shared.runs.give_back(slot)

    def lose(self, slot: Slot) -> None:
        """Hand a slot out again; its entry gets no record."""
        self._settle(slot)
        for number, each in list(self._entries.items()):
            if each.blueprint.slot == slot and each.record is None:
                del self._entries[number]
        self._shared.runs.lose(slot)

    def _settle(self, slot: Slot | None) -> None:
        if slot is not None:
            self._claims.discard(slot)

    async def recover(self, why: str) -> list[Awaitable[Any]]:
        """Keep the records of the episodes of a dead worker; return the tasks that grade them.

        A slot is handed out again unless this was its last attempt.
        """
        gradings: list[Awaitable[Any]] = []
        for number, under_way in list(self._entries.items()):
            try:
                record = under_way.record or await self._recovered(number, under_way, why)
            except Tau2GymError as error:
                log.error("the record of an episode whose worker has ended is lost: %s", error)
                continue
            if record is not None:
                gradings.append(under_way.entry.grade_only(record, 0.0, Latency()))
        self._entries.clear()
        for slot in list(self._claims):
            try:
                await self._untouched(slot, why)
            except Tau2GymError as error:
                log.error("a slot whose worker has ended has no record: %s", error)
        return gradings

    async def _recovered(self, number: int, under_way: _Entry, why: str) -> EpisodeRecord | None:
        slot = under_way.blueprint.slot
        if slot is not None and self._again(slot):
            record_file(self._shared.folder, number).unlink(missing_ok=True)
            return None
        plan = under_way.blueprint
        empty = empty_record(plan.setting, Slot(plan.task.id, under_way.entry.trial), plan.seed)
        _, record = open_record(record_file(self._shared.folder, number), why, empty.line())
        await under_way.entry.keep(under_way.entry.episode_id, record, [], lost=slot is not None)
        self._settle(slot)
        record_file(self._shared.folder, number).unlink(missing_ok=True)
        await under_way.entry.notify(record)
        return record

    async def _untouched(self, slot: Slot, why: str) -> None:
        """Hand out again a slot whose episode had not begun; after the last attempt, record why it was not played."""
        if not self._again(slot):
            blueprint = self._shared.runs.blueprint(slot)
            self._settle(slot)
            await self._shared.runs.fail(slot, blueprint.seed, why)

    def _again(self, slot: Slot) -> bool:
        _, slots = self._shared.runs.served()
        if slots.is_last_attempt(slot):
            return False
        self.lose(slot)
        return True
