"""Executing a plan: concurrent episodes, one writer, records before grades, and resuming."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tau2_core.episode.participants import Participants
from tau2_core.episode.play import OnTraced, OpenBackend, in_process, play
from tau2_core.episode.setting import Setting
from tau2_core.errors import RunError
from tau2_core.evaluators.grade import Grader
from tau2_core.model.episodes import EpisodeRecord, EpisodeStart, Slot
from tau2_core.model.evaluation import Grade
from tau2_core.model.runs import RunSummary
from tau2_core.model.tasks import Task
from tau2_core.model.tokens import TracedCall
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.records.finished import FinishedSlots
from tau2_core.records.journal import CONFIGURATION, EPISODES, GRADES, SUMMARY, TASKS, TIMINGS, TOKENS, Journal
from tau2_core.records.summary import summarise
from tau2_core.records.tally import Tally
from tau2_core.runs.checked_plan import check_plan
from tau2_core.runs.judgements import Judging, probe_judge
from tau2_core.runs.listeners import Listeners
from tau2_core.runs.ordered_lines import OrderedLines
from tau2_core.runs.plan import Plan
from tau2_core.runs.stopping import Stopping
from tau2_core.watchdog import watched_for

BUSY_SECONDS = 30.0  # after which code of others that keeps the event loop busy is interrupted

PlayEpisode = Callable[[Setting, Task, Participants, Slot, int, OpenBackend, OnTraced | None], Awaitable[EpisodeRecord]]


@dataclass(frozen=True, slots=True)
class FinishedEpisode:
    """One finished episode: its record, its grade, and its duration in seconds (0 from before a resume).

    In a run's result the record of a just played episode has no messages: they are in the file and would fill the
    memory.
    """

    record: EpisodeRecord
    grade: Grade
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How a plan is executed, and who is told of it.

    `resume` plays exactly the slots that are missing in the run's folder. `on_begun` is called with the number of
    episodes that are finished there already, `on_finished` with each episode and its whole record. `play_episode` plays
    one and returns its record, whatever goes wrong; `open_backend` is where its tool calls are executed.
    """

    resume: bool = False
    on_begun: Callable[[int], None] | None = None
    on_finished: Callable[[FinishedEpisode], None] | None = None
    open_backend: OpenBackend = in_process
    play_episode: PlayEpisode = play


@dataclass
class RunResult:
    """The result of a run; `stopped` says why it stopped early, "" if it is complete."""

    summary: RunSummary
    tasks: Sequence[Task]
    finished: list[FinishedEpisode] = field(
        default_factory=list, repr=False
    )  # asyncio.run formats the result of its task
    stopped: str = ""


LOCALLY = Execution()


async def execute(plan: Plan, catalogue: Catalogue, folder: Path, execution: Execution = LOCALLY) -> RunResult:
    """Play and grade a plan into a run folder.

    Raises RunError if the folder cannot be created, written or continued, or the judge is not usable; PackError or
    DatasetError before the first episode if data are invalid. When cancelled, it summarises the finished episodes.
    """
    started = asyncio.get_running_loop().time()
    checked = check_plan(plan, catalogue)
    try:
        async with asyncio.timeout(plan.run_seconds):
            await probe_judge(plan.participants.role_models.get("judge"))
    except TimeoutError as error:
        raise RunError(f"the run's {plan.run_seconds:g} s passed while trying the judge; nothing was played") from error
    redactor = next((role_model.redactor for role_model in plan.participants.role_models.values()), None)
    journal = Journal(folder, resume=execution.resume, redactor=redactor)
    with journal.alone():
        before = checked.resume(journal) if journal.begun else FinishedSlots()
        journal.rewrite(TASKS, (task.model_dump(mode="json", exclude_none=True) for task in plan.tasks))
        journal.write(CONFIGURATION, checked.config)
        if execution.on_begun is not None:
            execution.on_begun(len(before.grades))
        run = _Run(plan, catalogue, journal, checked.grader, execution, before, started)
        with watched_for(min(BUSY_SECONDS, plan.participants.limits.timeout_seconds or BUSY_SECONDS)):
            try:
                return await run.run()
            finally:
                run.listeners.close()


class _Run:
    def __init__(
        self,
        plan: Plan,
        catalogue: Catalogue,
        journal: Journal,
        grader: Grader,
        execution: Execution,
        before: FinishedSlots,
        started: float,
    ) -> None:
        self.plan = plan
        self.journal = journal
        self.grader = grader
        self.judging = Judging(
            plan.participants.role_models.get("judge"), grader, journal, before.judgements, everywhere=plan.judge_all
        )
        self.execution = execution
        self.before = before
        self.deadline = None if plan.run_seconds is None else started + plan.run_seconds
        self.in_order = OrderedLines(journal)
        self.finished: list[FinishedEpisode] = []
        self.stopped = ""
        self.stopping = Stopping(
            plan.participants.role_models,
            max_cost=plan.max_cost,
            max_infrastructure_errors=plan.max_infrastructure_errors,
            spent=before.spent.values(),
        )
        self.one_over = asyncio.Event()
        self.tasks = {task.id: task for task in plan.tasks}
        self.listeners = Listeners(catalogue, journal.folder, plan.participants.limits.timeout_seconds)

    async def run(self) -> RunResult:
        started = time.monotonic()
        plan = self.plan
        await self.listeners.notify("run_started", plan.run_start(self.journal.folder))
        try:
            async with asyncio.timeout_at(self.deadline), asyncio.TaskGroup() as group:
                queue = self._missing()
                first = group.create_task(self._work(queue))
                await self._await_first_answers(first)
                for _ in range(1, plan.width):
                    group.create_task(self._work(queue))
            self.stopping.refused()  # the last episode may have shown it
        except TimeoutError:
            self.stopped = f"the run's {plan.run_seconds:g} s have passed"
        except asyncio.CancelledError:
            self.stopped = "interrupted"
        except BaseExceptionGroup as errors:
            self.in_order.write_rest()
            raise errors.exceptions[0] from None
        return self._sum_up(time.monotonic() - started)

    def _missing(self) -> Iterator[tuple[Slot, int]]:
        seeds = self.plan.seeds()
        for slot in self.plan.own_slots():
            if slot not in self.before.grades:
                yield slot, seeds[slot.trial]

    async def _await_first_answers(self, first: asyncio.Task[None]) -> None:
        """Wait until every model has answered or one episode has ended: an unusable model costs only one episode."""
        role_models = [role_model for role, role_model in self.plan.participants.role_models.items() if role != "judge"]
        if not role_models:
            return
        answered = asyncio.ensure_future(_all(role_model.tried for role_model in role_models))
        over = asyncio.ensure_future(self.one_over.wait())
        waiting: set[asyncio.Future[Any]] = {first, over, answered}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
            answered.cancel()

    async def _work(self, queue: Iterator[tuple[Slot, int]]) -> None:
        for slot, seed in queue:
            await asyncio.sleep(0)  # let Ctrl-C and other tasks run even if nothing here ever waits
            if self.stopped or self.stopping.check():
                return
            await self._episode(slot, seed)
            self.one_over.set()

    async def _episode(self, slot: Slot, seed: int) -> None:
        started = time.perf_counter()
        task = self.tasks[slot.task_id]
        record = self.before.records.get(slot)
        if record is None:
            await self.listeners.notify("episode_started", EpisodeStart(self.plan.setting.domain, slot, seed))
            try:
                record = await self.execution.play_episode(
                    self.plan.setting,
                    task,
                    self.plan.participants,
                    slot,
                    seed,
                    self.execution.open_backend,
                    self._keep_tokens,
                )
            except KeyboardInterrupt:  # a person left, or a second Ctrl-C in code that never waits
                self.stopped = "interrupted"
                raise asyncio.CancelledError from None
            self.journal.append(EPISODES, record.line())
            await self.listeners.notify("episode_finished", record)
            self.stopping.count(record)
        place = self.in_order.place()
        played = time.perf_counter()
        grade = await self.grader.grade_aside(record, task, await self.judging.judgement(record, task))
        seconds = time.perf_counter() - started
        timing = {"task_id": slot.task_id, "trial": slot.trial, "play_seconds": played - started, "seconds": seconds}
        # The grade comes last: a graded episode is complete.
        self.in_order.put(place, [(TIMINGS, timing), (GRADES, grade.model_dump(mode="json"))])
        self.finished.append(FinishedEpisode(record.model_copy(update={"messages": []}), grade, seconds))
        if self.execution.on_finished is not None:
            self.execution.on_finished(FinishedEpisode(record, grade, seconds))

    def _keep_tokens(self, call: TracedCall) -> None:
        self.journal.append(TOKENS, call.model_dump(mode="json", exclude_none=True))

    def _sum_up(self, seconds: float) -> RunResult:
        self.in_order.write_rest()
        folder = self.journal.folder
        taken_over = [
            FinishedEpisode(self.before.records[slot], grade, 0.0) for slot, grade in self.before.grades.items()
        ]
        finished = [*taken_over, *self.finished]
        records, grades = [item.record for item in finished], [item.grade for item in finished]
        inventory = self.plan.inventory()
        tally = Tally.of(inventory.tasks, inventory.trials, grades, records, list(self.judging.known.values()))
        summary = summarise(inventory, folder.name, str(folder), tally, seconds)
        self.journal.write(SUMMARY, summary.model_dump(mode="json"))
        self.listeners.notify_now("run_finished", summary)
        return RunResult(summary, self.plan.tasks, finished, self.stopped or self.stopping.why)


async def _all(events: Iterable[asyncio.Event]) -> None:
    for event in events:
        await event.wait()
