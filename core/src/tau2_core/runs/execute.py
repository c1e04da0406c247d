"""Executing a plan: concurrent episodes, one writer, records before grades, and resuming."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tau2_core.episode.play import play
from tau2_core.errors import RunError
from tau2_core.evaluators.guard import crashes
from tau2_core.model.episodes import EpisodeRecord, EpisodeStart, Slot
from tau2_core.model.evaluation import Grade, Judgement
from tau2_core.model.latency import timing_line
from tau2_core.model.llm import JUDGES
from tau2_core.model.runs import RunSummary
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.records.episode_lines import find_judgements, without_messages
from tau2_core.records.figures import JudgementFigures
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
from tau2_core.records.judge_trust import JUDGE_CALIBRATION, judge_figures
from tau2_core.records.reader import read_run
from tau2_core.records.slot_lines import SlotNumbers
from tau2_core.records.summary import summarise
from tau2_core.records.tally import Tally
from tau2_core.runs.checked_plan import check_plan
from tau2_core.runs.executors.players import (
    Executor,
    GradedRecord,
    Keep,
    NewPlayer,
    OpenEpisodes,
    PlayableRun,
    Played,
    PlayEpisode,
    in_this_process,
    locally,
)
from tau2_core.runs.judgements import append_judgement, probe_judges
from tau2_core.runs.listeners import Listeners
from tau2_core.runs.ordered_lines import OrderedLines
from tau2_core.runs.plan import Plan
from tau2_core.runs.resume import TakenOver
from tau2_core.runs.stopping import Stopping
from tau2_core.runtime.watchdog import watched_for


@dataclass(frozen=True, slots=True)
class FinishedEpisode:
    """A finished episode: its record, its grade, and its duration in seconds, 0 if unknown.

    In the result of a run, the record has no messages.
    """

    record: EpisodeRecord
    grade: Grade
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How a plan is executed, and its callbacks.

    `resume` plays exactly the slots that are missing in the run's folder. `on_begun` is called with the number of
    episodes that are already finished there, `on_graded` after each episode, and `on_finished` with it and its whole
    record. `play_episode` plays one episode and returns its record, whatever goes wrong; `episodes` opens it;
    `executor` determines where episodes are played and graded.
    """

    resume: bool = False
    on_begun: Callable[[int], None] | None = None
    on_finished: Callable[[FinishedEpisode], None] | None = None
    on_graded: Callable[[], None] | None = None
    episodes: OpenEpisodes = locally
    play_episode: PlayEpisode = play
    executor: Executor = in_this_process


@dataclass
class RunResult:
    """The result of a run; `stopped` is the reason why it stopped early, "" if it is complete.

    `now` is the number of episodes that were played now, without those of an earlier, resumed run. `unchecked` is the
    number of grades with a criterion that could not be checked. The episodes are in the run's folder.
    """

    summary: RunSummary
    now: int = 0
    unchecked: int = 0
    stopped: str = ""

    def episodes(self) -> Iterator[FinishedEpisode]:
        """Read the graded episodes, trial by trial, in the order of the tasks."""
        run = read_run(Path(self.summary.folder))
        slots = (Slot(task_id, trial) for trial in range(run.trials) for task_id in run.tasks)
        with (
            run.records.open_lines() as line,
            run.grades.open_contents() as grade,
            run.seconds.open_contents() as seconds,
        ):
            for slot in slots:
                record, graded = line(slot), grade(slot)
                if record is not None and graded is not None:
                    yield FinishedEpisode(without_messages(record.content), graded, seconds(slot) or 0.0)

    def crashes(self) -> list[str]:
        """Return a line for each evaluator that crashed."""
        return crashes(read_run(Path(self.summary.folder)).grades.values()) if self.unchecked else []


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
            await probe_judges(plan.participants.panel)
    except TimeoutError as error:
        raise RunError(f"the run's {plan.run_seconds:g} s passed while trying the judge; nothing was played") from error
    playing = PlayableRun(folder.name, checked, catalogue, execution.play_episode, execution.episodes)
    async with execution.executor(playing) as new_player:
        journal = Journal(folder, resume=execution.resume, redactor=plan.redactor())
        with journal.alone():
            before = checked.taken_over(journal)
            journal.rewrite(TASKS, (task.model_dump(mode="json", exclude_none=True) for task in plan.tasks))
            journal.write(CONFIGURATION, checked.config)
            if plan.judge_calibration is not None:
                journal.write(JUDGE_CALIBRATION, plan.judge_calibration.model_dump(mode="json"))
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
        before: TakenOver,
        started: float,
    ) -> None:
        self.plan = plan
        self.journal = journal
        self.known: dict[Slot, Judgement] = {}
        self.player = new_player(Keep(self._keep_traced, self._keep_judgement, self.known))
        self.execution = execution
        self.before = before
        self.deadline = None if plan.run_seconds is None else started + plan.run_seconds
        self.in_order = OrderedLines(journal)
        inventory = plan.inventory()
        self.tally = Tally(inventory.tasks, inventory.trials)
        before.count(self.tally)
        self.now = 0
        self.stopped = ""
        self.stopping = Stopping(
            plan.participants.role_models.values(),
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
            self.stopping.refused()  # the last episode may have revealed it
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
        role_models = [each for role, each in self.plan.participants.role_models.items() if role not in JUDGES]
        if not role_models:
            return

        async def all_have_answered() -> None:  # a task, since a cancelled `gather` complains if nobody awaits it
            for role_model in role_models:
                await role_model.tried.wait()

        answered = asyncio.ensure_future(all_have_answered())
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
        if slot in self.before.records:
            played = Played(slot, self.before.records.line(slot).content)
        else:
            played = await self._play(slot, seed)
        if slot in self.before.judgements:
            self.known[slot] = self.before.judgements[slot]
        place = self.in_order.place()
        graded = await self.player.grade(played)
        self.known.pop(slot, None)
        seconds = played.seconds + graded.seconds
        timing = timing_line(slot, played.seconds, seconds, played.latency)
        # The grade comes last: a graded episode is complete.
        self.in_order.put(place, [(TIMINGS, encoded_line(timing, self.journal.redactor)), (GRADES, graded.line)])
        self._count(played, graded)
        if self.execution.on_finished is not None:
            self.execution.on_finished(FinishedEpisode(played.whole(), graded.whole(), seconds))
        if self.execution.on_graded is not None:
            self.execution.on_graded()

    async def _play(self, slot: Slot, seed: int) -> Played:
        if self.listeners.any("episode_started"):
            await self.listeners.notify("episode_started", EpisodeStart(self.plan.setting.domain, slot, seed))
        try:
            played = await self.player.play(slot, seed)
        except KeyboardInterrupt:  # a person left, or a second Ctrl-C interrupted code that never waits
            self.stopped = "interrupted"
            raise asyncio.CancelledError from None
        self.journal.append_line(EPISODES, played.line)
        if self.listeners.any("episode_finished"):
            await self.listeners.notify("episode_finished", played.whole())
        self.stopping.count(played.end)
        return played

    def _count(self, played: Played, graded: GradedRecord) -> None:
        grade = graded.figures
        self.now += 1
        self.tally.add_figures(grade)
        if self.tally.lacks_failure(grade):
            self.tally.note_failure(graded.whole())
        self.tally.add_record(played.end)

    def _keep_traced(self, line: bytes) -> None:
        self.journal.append_line(TOKENS, line)

    def _keep_judgement(self, slot: Slot, judgement: Judgement) -> None:
        append_judgement(self.journal, slot, judgement)

    def _sum_up(self, seconds: float) -> RunResult:
        self.in_order.write_rest()
        folder = self.journal.folder
        inventory = self.plan.inventory()
        if self.plan.participants.panel is not None or len(self.before.judgements):
            judgements = find_judgements(self.journal, SlotNumbers(inventory.tasks, inventory.trials))
            for judgement in judgements.figures(JudgementFigures):
                self.tally.add_judgement(judgement)
        summary = summarise(inventory, folder.name, str(folder), self.tally, seconds)
        if "judge" in summary.usage:
            summary.judge = judge_figures(read_run(folder))
        self.journal.write(SUMMARY, summary.model_dump(mode="json"))
        self.listeners.notify_now("run_finished", summary)
        return RunResult(summary, self.now, self.tally.unchecked, self.stopped or self.stopping.why)
