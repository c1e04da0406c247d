"""Executing a plan: concurrent episodes, one writer, records before grades, and resuming."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tau2_core.episode.play import play
from tau2_core.errors import RunError
from tau2_core.model.episodes import EpisodeRecord, EpisodeStart, Slot
from tau2_core.model.evaluation import Grade, Judgement
from tau2_core.model.latency import Latency, timing_line
from tau2_core.model.runs import RunSummary
from tau2_core.model.tasks import Task
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.records.finished import FinishedSlots
from tau2_core.records.journal import (
    CONFIGURATION,
    EPISODES,
    GRADES,
    SUMMARY,
    TASKS,
    TIMINGS,
    TOKENS,
    Journal,
    encoded_line,
)
from tau2_core.records.summary import summarise
from tau2_core.records.tally import Tally
from tau2_core.runs.checked_plan import check_plan
from tau2_core.runs.executors.players import (
    Executor,
    Keep,
    NewPlayer,
    OpenBackends,
    PlayableRun,
    PlayEpisode,
    in_this_process,
    local_backends,
)
from tau2_core.runs.judgements import append_judgement, probe_judge
from tau2_core.runs.listeners import Listeners
from tau2_core.runs.ordered_lines import OrderedLines
from tau2_core.runs.plan import Plan
from tau2_core.runs.stopping import Stopping
from tau2_core.watchdog import watched_for


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
    episodes that are finished there already, `on_graded` after each episode, and `on_finished` with it and its whole
    record. `play_episode` plays one and returns its record, whatever goes wrong; `backends` are where its tool calls
    are executed; `executor` is where episodes are played and graded.
    """

    resume: bool = False
    on_begun: Callable[[int], None] | None = None
    on_finished: Callable[[FinishedEpisode], None] | None = None
    on_graded: Callable[[], None] | None = None
    backends: OpenBackends = local_backends
    play_episode: PlayEpisode = play
    executor: Executor = in_this_process


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
    playing = PlayableRun(checked, catalogue, execution.play_episode, execution.backends)
    async with execution.executor(playing) as new_player:
        journal = Journal(folder, resume=execution.resume, redactor=plan.redactor())
        with journal.alone():
            before = checked.resume(journal) if journal.begun else FinishedSlots()
            journal.rewrite(TASKS, (task.model_dump(mode="json", exclude_none=True) for task in plan.tasks))
            journal.write(CONFIGURATION, checked.config)
            if execution.on_begun is not None:
                execution.on_begun(len(before.grades))
            run = _Run(plan, catalogue, journal, new_player, execution, before, started)
            with watched_for(plan.busy_seconds()):
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
        new_player: NewPlayer,
        execution: Execution,
        before: FinishedSlots,
        started: float,
    ) -> None:
        self.plan = plan
        self.journal = journal
        self.player = new_player(Keep(self._keep_traced, self._keep_judgement, before.judgements))
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
                for _ in range(1, plan.width(self.player.workers)):
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
        record, played, seconds, latency = self.before.records.get(slot), None, 0.0, Latency()
        if record is None:
            await self.listeners.notify("episode_started", EpisodeStart(self.plan.setting.domain, slot, seed))
            try:
                played = await self.player.play(slot, seed)
            except KeyboardInterrupt:  # a person left, or a second Ctrl-C in code that never waits
                self.stopped = "interrupted"
                raise asyncio.CancelledError from None
            record, seconds, latency = played.record, played.seconds, played.latency
            self.journal.append_line(EPISODES, played.line)
            if self.listeners.any("episode_finished"):
                await self.listeners.notify("episode_finished", played.whole())
            self.stopping.count(record)
        place = self.in_order.place()
        graded = await self.player.grade(record)
        whole = seconds + graded.seconds
        timing = timing_line(slot, seconds, whole, latency)
        # The grade comes last: a graded episode is complete.
        self.in_order.put(place, [(TIMINGS, encoded_line(timing, self.journal.redactor)), (GRADES, graded.line)])
        self.finished.append(FinishedEpisode(record.model_copy(update={"messages": []}), graded.grade, whole))
        if self.execution.on_finished is not None:
            kept = record if played is None else played.whole()
            self.execution.on_finished(FinishedEpisode(kept, graded.grade, whole))
        if self.execution.on_graded is not None:
            self.execution.on_graded()

    def _keep_traced(self, line: bytes) -> None:
        self.journal.append_line(TOKENS, line)

    def _keep_judgement(self, slot: Slot, judgement: Judgement) -> None:
        append_judgement(self.journal, slot, judgement)

    def _sum_up(self, seconds: float) -> RunResult:
        self.in_order.write_rest()
        folder = self.journal.folder
        taken_over = [
            FinishedEpisode(self.before.records[slot], grade, 0.0) for slot, grade in self.before.grades.items()
        ]
        finished = [*taken_over, *self.finished]
        records, grades = [item.record for item in finished], [item.grade for item in finished]
        inventory = self.plan.inventory()
        tally = Tally.of(inventory.tasks, inventory.trials, grades, records, list(self.before.judgements.values()))
        summary = summarise(inventory, folder.name, str(folder), tally, seconds)
        self.journal.write(SUMMARY, summary.model_dump(mode="json"))
        self.listeners.notify_now("run_finished", summary)
        return RunResult(summary, self.plan.tasks, finished, self.stopped or self.stopping.why)


async def _all(events: Iterable[asyncio.Event]) -> None:
    for event in events:
        await event.wait()
