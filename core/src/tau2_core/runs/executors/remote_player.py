"""A player whose slots are played and graded by workers."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from tau2_core.episode.episode_record import empty_record
from tau2_core.model.episodes import Slot, Termination
from tau2_core.model.evaluation import Judgement
from tau2_core.records.journal import encoded_line
from tau2_core.runs.checked_plan import CheckedPlan
from tau2_core.runs.executors.messages import Failed, GradedSlot, Judged, PlaySlot, Recorded, Regrade, Traced, Used
from tau2_core.runs.executors.players import GradedRecord, Keep, Played
from tau2_core.runs.executors.shared_models import SharedModels
from tau2_core.runs.executors.worker_handle import ATTEMPTS, Job, WorkerEndedError
from tau2_core.runs.executors.worker_pool import WorkerPool


class RemotePlayer:
    """Gives slots to workers.

    An episode whose worker ends is played once more by a worker that does nothing else meanwhile. This identifies an
    episode that ends its worker, and no other episodes are lost with it.
    """

    def __init__(self, pool: WorkerPool, checked: CheckedPlan, models: SharedModels, keep: Keep) -> None:
        self.workers = pool.workers
        self._pool = pool
        self._checked = checked
        self._tasks = {task.id: task for task in checked.plan.tasks}
        self._models = models
        self._keep = keep
        self._redactor = checked.plan.redactor()
        self._grading: dict[Slot, Job] = {}
        pool.note = self._note

    async def play(self, slot: Slot, seed: int) -> Played:
        started = time.perf_counter()
        exchanges = self._models.exchanges(slot)

        def message(number: int, *, again: bool) -> PlaySlot:
            return PlaySlot(number, slot.task_id, slot.trial, seed, again, exchanges)

        how = ""
        for attempt in range(ATTEMPTS):
            again = attempt > 0
            job = await self._pool.assign(partial(message, again=again), alone=again)
            try:
                said = await job.played
            except WorkerEndedError as ended:
                how = str(ended)
                continue
            self._grading[slot] = job
            return Played(slot, said.line, said.seconds, said.latency)
        record = empty_record(self._checked.plan.setting, slot, seed)
        record.termination = Termination.INFRASTRUCTURE_ERROR
        record.error = f"its worker ended {ATTEMPTS} times, the last time: {how}"
        line = encoded_line(record.line(), self._redactor)
        return Played(slot, line, time.perf_counter() - started, record=record)

    async def grade(self, played: Played) -> GradedRecord:
        started = time.perf_counter()
        slot, job = played.slot, self._grading.pop(played.slot, None)
        how = ""
        for attempt in range(ATTEMPTS):
            if job is None:
                message = self._regrade(played)
                job = await self._pool.assign(message, alone=attempt > 0)
            try:
                said = await job.done
            except WorkerEndedError as ended:
                how, job = str(ended), None
                continue
            assert isinstance(said, GradedSlot)
            return GradedRecord(said.line, said.seconds)
        why = f"its worker ended {ATTEMPTS} times while grading, the last time: {how}"
        grade = self._checked.grader.ungraded(slot, self._tasks[slot.task_id], why)
        line = encoded_line(grade.model_dump(mode="json"), self._redactor)
        return GradedRecord(line, time.perf_counter() - started, grade)

    def _regrade(self, played: Played) -> Callable[[int], Regrade]:
        known, line = self._keep.known.get(played.slot), played.line
        judgement = None if known is None else known.model_dump_json().encode()
        exchanges = self._models.exchanges(played.slot)
        return lambda number: Regrade(number, line, judgement, exchanges)

    def _note(self, message: Traced | Recorded | Used | Failed | Judged) -> None:
        if isinstance(message, Traced):
            self._keep.traced(message.line)
        elif isinstance(message, Judged):
            slot, judgement = Slot(message.task_id, message.trial), Judgement.model_validate_json(message.judgement)
            self._keep.judged(slot, judgement)
            self._keep.known[slot] = judgement
        else:
            self._models.note(message)
