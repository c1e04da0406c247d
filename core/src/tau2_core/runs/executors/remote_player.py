"""A player whose slots are played and graded by workers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from tau2_core.episode.episode import empty_record
from tau2_core.model.episodes import EpisodeRecord, Slot, Termination
from tau2_core.model.evaluation import Grade, Judgement, Outcome
from tau2_core.records.journal import encoded_line
from tau2_core.runs.checked_plan import CheckedPlan
from tau2_core.runs.executors.crew import Crew
from tau2_core.runs.executors.member import Job, WorkerEndedError
from tau2_core.runs.executors.messages import Failed, Judged, PlaySlot, Recorded, Regrade, Traced, Used
from tau2_core.runs.executors.players import GradedRecord, Keep, Played
from tau2_core.runs.executors.shared_models import SharedModels

ATTEMPTS = 2  # at an episode whose worker ends
MESSAGES = b', "messages": ['  # the last field of a record


class RemotePlayer:
    """Hands slots to workers.

    An episode whose worker ends is played once more, by a worker that has nothing else meanwhile: so the episode that
    ends its worker is found, and takes no others with it.
    """

    def __init__(self, crew: Crew, checked: CheckedPlan, models: SharedModels, keep: Keep) -> None:
        self.workers = crew.workers
        self._crew = crew
        self._checked = checked
        self._tasks = {task.id: task for task in checked.plan.tasks}
        self._models = models
        self._keep = keep
        self._redactor = checked.plan.redactor()
        self._grading: dict[Slot, tuple[Job, bytes]] = {}
        crew.note = self._note

    async def play(self, slot: Slot, seed: int) -> Played:
        started = time.perf_counter()
        exchanges = self._models.exchanges(slot)

        def message(number: int) -> PlaySlot:
            return PlaySlot(number, slot.task_id, slot.trial, seed, exchanges)

        how = ""
        for attempt in range(ATTEMPTS):
            job = await self._crew.assign(message, alone=attempt > 0)
            try:
                said = await job.played
            except WorkerEndedError as ended:
                how = str(ended)
                continue
            self._grading[slot] = job, said.line
            return Played(_without_messages(said.line), said.line, said.seconds, said.latency)
        record = empty_record(self._checked.plan.setting, slot, seed)
        record.termination = Termination.INFRASTRUCTURE_ERROR
        record.error = f"its worker ended {ATTEMPTS} times, the last time: {how}"
        line = encoded_line(record.line(), self._redactor)
        return Played(record, line, time.perf_counter() - started)

    async def grade(self, record: EpisodeRecord) -> GradedRecord:
        started = time.perf_counter()
        job, line = self._grading.pop(record.slot, (None, None))
        how = ""
        for attempt in range(ATTEMPTS):
            if job is None:
                message = self._regrade(record.slot, line or json.dumps(record.line()).encode())
                job = await self._crew.assign(message, alone=attempt > 0)
            try:
                said = await job.graded
            except WorkerEndedError as ended:
                how, job = str(ended), None
                continue
            return GradedRecord(Grade.model_validate(json.loads(said.line)), said.line, said.seconds)
        grade = Grade(
            task_id=record.task_id,
            trial=record.trial,
            evaluators=self._checked.grader.set_name,
            reward=None,
            outcome=Outcome.EVALUATOR_ERROR,
            basis=self._checked.grader.basis(self._tasks[record.task_id]),
            note=f"its worker ended {ATTEMPTS} times while grading, the last time: {how}",
        )
        line = encoded_line(grade.model_dump(mode="json"), self._redactor)
        return GradedRecord(grade, line, time.perf_counter() - started)

    def _regrade(self, slot: Slot, line: bytes) -> Callable[[int], Regrade]:
        known = self._keep.known.get(slot)
        judgement = None if known is None else known.model_dump_json().encode()
        exchanges = self._models.exchanges(slot)
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


def _without_messages(line: bytes) -> EpisodeRecord:
    """Return a record without its messages, which come last; no text before them contains an unescaped quote."""
    head, has_messages, _ = line.partition(MESSAGES)
    return EpisodeRecord.model_validate(json.loads(head + b"}" if has_messages else line))
