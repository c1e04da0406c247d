"""One run folder of a server: records as episodes end, then their grades, in the format of `tau2-gym run`."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tau2_core.errors import RunError
from tau2_core.evaluators.grade import Grader
from tau2_core.gym.hosted_episode import Blueprint
from tau2_core.gym.worker_threads import WorkerThreads
from tau2_core.model.episodes import EpisodeRecord, EpisodeStart, Slot, Termination
from tau2_core.model.evaluation import Grade
from tau2_core.model.latency import Latency, timing_line
from tau2_core.model.runs import Inventory, RunStart, RunSummary
from tau2_core.model.tasks import Task
from tau2_core.model.tokens import TracedCall
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.records.journal import CONFIGURATION, EPISODES, GRADES, SUMMARY, TASKS, TIMINGS, TOKENS, Journal
from tau2_core.records.judge_trust import judge_figures
from tau2_core.records.reader import read_run
from tau2_core.records.summary import summarise
from tau2_core.records.tally import Tally
from tau2_core.runs.checked_plan import CheckedPlan
from tau2_core.runs.configuration import own_policies
from tau2_core.runs.digests import text_digest
from tau2_core.runs.judgements import Judging, append_judgement
from tau2_core.runs.listeners import Event, Listeners

log = logging.getLogger(__name__)
MOST_PENDING = 1000  # maximum number of events that wait for slow plugins


class ServedRun:
    """A run folder that is open while the server runs. Raises RunError if it cannot be created or written.

    With `fixed` the plan's tasks and trials are the inventory. Otherwise the inventory grows: a new task is added when
    it is first played, and each episode of it is its next trial.

    Plugins get the same notifications as from `tau2-gym run`, in the same order, but episodes do not wait for them.
    Their errors are logged and end no episode.
    """

    def __init__(
        self,
        checked: CheckedPlan,
        folder: Path,
        *,
        fixed: bool,
        resume: bool = False,
        stack: ExitStack,
        catalogue: Catalogue,
        workers: WorkerThreads,
        conversation_tools: bool = False,
    ) -> None:
        self.plan = checked.plan
        self.fixed = fixed
        self.conversation_tools = conversation_tools
        redactor = next((role_model.redactor for role_model in self.plan.participants.role_models.values()), None)
        self.journal = Journal(folder, resume=resume, redactor=redactor)
        stack.enter_context(self.journal.alone())
        self.config = dict(checked.config)
        self.before = checked.taken_over(self.journal)
        self.grader: Grader = checked.grader
        self.judging = Judging(
            self.plan.participants.panel,
            self.grader,
            partial(append_judgement, self.journal),
            dict(self.before.judgements.items()),
            everywhere=self.plan.judge_all,
        )
        self.workers = workers
        self.listeners = Listeners(catalogue, folder, self.plan.participants.limits.timeout_seconds)
        self._notifications: set[asyncio.Task[None]] = set()
        self.tasks: dict[str, Task] = {}
        self._contents: list[str] = []
        self.played: Counter[str] = Counter()
        self.tally = Tally([], 1)  # totals are known only at the end
        self.before.count(self.tally)
        self._started = time.monotonic()
        if fixed:
            self.tasks = {task.id: task for task in self.plan.tasks}
            self.journal.rewrite(TASKS, (_line(task) for task in self.tasks.values()))
            self.journal.write(CONFIGURATION, self.config)
        else:  # the folder becomes a run with its first task
            self.config.update(tasks=[], trials=1, seeds=[], split=None)  # each record has its own seed
            self.config["digests"] = {**self.config["digests"], "tasks": None, "policies": {}}

    def started(self) -> RunStart:
        """Return the notification for plugins when the run begins; a growing inventory is empty then."""
        start = self.plan.run_start(self.journal.folder)
        return start if self.fixed else replace(start, tasks=[], slots=0)

    async def notify(self, event: Event, subject: object) -> None:
        """Queue a notification for plugins. Waits only while very many notifications are pending."""
        if not self.listeners.any(event):
            return
        while len(self._notifications) >= MOST_PENDING:
            await asyncio.wait(self._notifications, return_when=asyncio.FIRST_COMPLETED)
        notification = asyncio.create_task(self._notify(event, subject))
        self._notifications.add(notification)
        notification.add_done_callback(self._notifications.discard)

    async def _notify(self, event: Event, subject: object) -> None:
        try:
            await self.listeners.notify(event, subject)
        except RunError as error:
            log.error("%s", error)

    async def all_notified(self) -> None:
        """Wait until plugins have got all notifications."""
        while self._notifications:
            await asyncio.wait(set(self._notifications))

    def blueprint(self, slot: Slot) -> Blueprint:
        """Return the blueprint of a slot's episode, as `tau2-gym run` would play it."""
        plan = self.plan
        task, seed = self.tasks[slot.task_id], plan.seeds()[slot.trial]
        talk = self.conversation_tools
        return Blueprint(plan.setting, task, plan.participants, seed, slot=slot, conversation_tools=talk)

    async def keep_failed(self, slot: Slot, seed: int, why: str) -> EpisodeRecord:
        """Record and grade an episode that could not begin; return the record. Raises RunError."""
        setting = self.plan.setting
        record = EpisodeRecord(
            domain=setting.domain,
            task_id=slot.task_id,
            trial=slot.trial,
            seed=seed,
            termination=Termination.INFRASTRUCTURE_ERROR,
            error=why,
            solo=setting.solo,
            variant=setting.variant,
            mode=setting.mode,
        )
        await self.notify("episode_started", EpisodeStart(setting.domain, slot, seed))
        self.journal.append(EPISODES, record.line())
        await self.notify("episode_finished", record)
        await self.grade(record, self.tasks[slot.task_id], 0.0)
        return record

    def takes(self, task: Task) -> bool:
        """Tell whether a task can be part of this run: no different task has its id."""
        return self.tasks.get(task.id, task) == task

    def enter(self, blueprint: Blueprint) -> int:
        """Add an episode before its first call or message; return its trial.

        In a growing inventory its task is added, and its trial is the next one. Episodes of a `free` world are
        recorded, but are not part of the inventory. Raises RunError.
        """
        task, trial = blueprint.task, self.played[blueprint.task.id]
        if blueprint.slot is not None:
            trial = blueprint.slot.trial
        else:
            if not blueprint.free:
                self._grow(task, trial)
            self.played[task.id] += 1
        return trial

    def keep(self, episode_id: str, record: EpisodeRecord, traced: Iterable[TracedCall]) -> None:
        """Append a record, and before it the traced calls of its models. Raises RunError."""
        for call in traced:
            line = call.model_copy(update={"trial": record.trial}).model_dump(mode="json", exclude_none=True)
            self.journal.append(TOKENS, line)
        self.journal.append(EPISODES, {"id": episode_id, **record.line()})

    def _grow(self, task: Task, trial: int) -> None:
        new = task.id not in self.tasks
        if new:
            self.journal.append(TASKS, _line(task))
            self.tasks[task.id] = task
            self._contents.append(json.dumps(task.model_dump(mode="json"), sort_keys=True))
            self.config["digests"]["policies"] |= own_policies(self.plan.setting, [task])
            self.config["digests"]["tasks"] = text_digest(f"[{', '.join(self._contents)}]")
        if new or trial >= self.config["trials"]:
            self.config.update(tasks=list(self.tasks), trials=max(self.config["trials"], trial + 1))
            self.journal.write(CONFIGURATION, self.config)

    def asks_judge(self, record: EpisodeRecord, task: Task) -> bool:
        """Tell whether a model must judge the episode, which takes seconds."""
        return self.judging.asks(record, task)

    async def grade(self, record: EpisodeRecord, task: Task, seconds: float, latency: Latency | None = None) -> Grade:
        """Grade a kept record, with the judge's decision if it counts, and append the grade."""
        judgement = await self.judging.judgement(record, task)
        grade = await self.workers.run(partial(self.grader.grade, record, task, judgement))
        self.note_grade(record, grade, seconds, latency)
        return grade

    def note_grade(self, record: EpisodeRecord, grade: Grade, seconds: float, latency: Latency | None = None) -> None:
        """Append a grade. Raises RunError."""
        self.journal.append(TIMINGS, timing_line(record.slot, seconds, seconds, latency or Latency()))
        self.journal.append(GRADES, grade.model_dump(mode="json"))  # last, since a graded episode is complete
        self._count(record, grade)

    def _count(self, record: EpisodeRecord, grade: Grade) -> None:
        """Count a graded episode and drop it, since keeping all of them would exhaust the memory."""
        self.tally.add_record(record)
        self.tally.add_grade(grade)

    async def grade_what_is_left(self) -> None:
        """Grade records from before a resume that are not graded yet."""
        for slot, record in self.before.records.items():
            if slot not in self.before.grades:
                await self.grade(record, self.tasks[slot.task_id], 0.0)

    def sum_up(self) -> RunSummary:
        """Write summary.json. Raises RunError."""
        folder = self.journal.folder
        seconds = time.monotonic() - self._started
        inventory = self._inventory()
        tally = self.tally.copy_for(inventory.tasks, inventory.trials)
        for judgement in self.judging.known.values():
            tally.add_judgement(judgement)
        summary = summarise(inventory, folder.name, str(folder), tally, seconds)
        if self.judging.known:
            summary.judge = judge_figures(read_run(folder))
        self.journal.write(CONFIGURATION, self.config)  # a full disk may have prevented this before
        self.journal.write(SUMMARY, summary.model_dump(mode="json"))
        return summary

    def _inventory(self) -> Inventory:
        fixed = self.plan.inventory()
        tasks: Sequence[str] = self.config["tasks"]
        names = (fixed.domain, fixed.agent, fixed.user, fixed.evaluators, fixed.dataset, self.config["split"])
        return Inventory(*names, tasks, self.config["trials"])


def _line(task: Task) -> dict[str, Any]:
    return task.model_dump(mode="json", exclude_none=True)
