"""Executing a plan: episodes side by side, one writer, records before grades."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tau2_core.episode.play import OpenStage, local_stage, play
from tau2_core.errors import PackError, RunError
from tau2_core.evaluators.grade import Grader
from tau2_core.model.episodes import EpisodeRecord, EpisodeStart, Slot
from tau2_core.model.evaluation import Grade
from tau2_core.model.runs import RunStart, RunSummary
from tau2_core.model.tasks import Task
from tau2_core.packs.problems import Problems
from tau2_core.packs.task_checks import check_tasks
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.runs.journal import Journal, configuration
from tau2_core.runs.metrics import summarise
from tau2_core.runs.plan import Plan


@dataclass(frozen=True, slots=True)
class Finished:
    """One finished episode: its record, its grade, and the seconds that it took."""

    record: EpisodeRecord
    grade: Grade
    seconds: float


@dataclass
class RunResult:
    """A run as far as it came; `interrupted` tells that it was stopped."""

    summary: RunSummary
    tasks: Sequence[Task]
    finished: list[Finished] = field(default_factory=list)
    interrupted: bool = False


async def execute(
    plan: Plan,
    catalogue: Catalogue,
    folder: Path,
    *,
    on_finished: Callable[[Finished], None] | None = None,
    open_stage: OpenStage = local_stage,
) -> RunResult:
    """Play and grade a plan into a new run folder.

    Raises RunError if the folder cannot be made or written, PackError or DatasetError before the first episode if
    data are wrong. When cancelled, sums up what is finished.
    """
    grader = Grader(plan.setting, plan.evaluators, catalogue.evaluators(plan.evaluators))
    plan.setting.bases()
    _refuse_wrong_tasks(plan)
    config = configuration(plan)
    journal = Journal(folder)
    journal.write("run.json", config)
    for task in plan.tasks:
        journal.append("tasks.jsonl", task.model_dump(mode="json", exclude_none=True))
    run = _Run(plan, catalogue, journal, grader, on_finished, open_stage)
    return await run.run()


def _refuse_wrong_tasks(plan: Plan) -> None:
    """Refuse tasks of a pack's own whose calls or criteria cannot be right; a dataset's are played as they are."""
    if plan.setting.dataset is None:
        problems = Problems(plan.setting.domain)
        check_tasks(plan.setting.pack, problems, {task.id for task in plan.tasks})
        if problems.found:
            raise PackError(problems.found)


class _Run:
    def __init__(
        self,
        plan: Plan,
        catalogue: Catalogue,
        journal: Journal,
        grader: Grader,
        on_finished: Callable[[Finished], None] | None,
        open_stage: OpenStage,
    ) -> None:
        self.plan = plan
        self.journal = journal
        self.grader = grader
        self.on_finished = on_finished
        self.open_stage = open_stage
        self.finished: list[Finished] = []
        self.tasks = {task.id: task for task in plan.tasks}
        self.listeners = {
            name: catalogue.listeners(f"tau2_{name}")
            for name in ("episode_started", "episode_finished", "run_started", "run_finished")
        }

    async def run(self) -> RunResult:
        started = time.monotonic()
        plan = self.plan
        self._tell(
            "run_started",
            RunStart(
                self.journal.folder.name,
                self.journal.folder,
                plan.setting.domain,
                plan.cast.agent.name,
                plan.cast.user.name,
                list(self.tasks),
                len(plan.slots()),
            ),
        )
        queue = iter(zip(plan.slots(), (seed for seed in plan.seeds() for _ in plan.tasks), strict=True))
        interrupted = False
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(plan.concurrency, len(plan.slots()))):
                    group.create_task(self._work(queue))
        except* asyncio.CancelledError:
            interrupted = True
        except* Exception as errors:  # noqa: BLE001 - raised on, without the group around it
            raise errors.exceptions[0] from None
        result = self._sum_up(time.monotonic() - started)
        result.interrupted = interrupted
        return result

    async def _work(self, queue: Iterator[tuple[Slot, int]]) -> None:
        for slot, seed in queue:
            await self._episode(slot, seed)

    async def _episode(self, slot: Slot, seed: int) -> None:
        await asyncio.sleep(0)  # gives Ctrl-C and the other episodes their turn even if nobody here waits for anything
        started = time.perf_counter()
        task = self.tasks[slot.task_id]
        self._tell("episode_started", EpisodeStart(self.plan.setting.domain, slot, seed))
        try:
            record = await play(self.plan.setting, task, self.plan.cast, slot, seed, self.open_stage)
        except KeyboardInterrupt:  # a second Ctrl-C, as a participant that never waits did not notice the first
            raise asyncio.CancelledError from None
        played = time.perf_counter()
        self.journal.append("episodes.jsonl", record.line())
        self._tell("episode_finished", record)
        grade = self.grader.grade(record, task)
        self.journal.append("grades.jsonl", grade.model_dump(mode="json"))
        seconds = time.perf_counter() - started
        timing = {"task_id": slot.task_id, "trial": slot.trial, "play_seconds": played - started, "seconds": seconds}
        self.journal.append("timings.jsonl", timing)
        finished = Finished(record, grade, seconds)
        self.finished.append(finished)
        if self.on_finished is not None:
            self.on_finished(finished)

    def _sum_up(self, seconds: float) -> RunResult:
        folder = self.journal.folder
        records = [item.record for item in self.finished]
        grades = [item.grade for item in self.finished]
        summary = summarise(self.plan, folder.name, str(folder), records, grades, seconds)
        self.journal.write("summary.json", summary.model_dump(mode="json"))
        self._tell("run_finished", summary)
        return RunResult(summary, self.plan.tasks, self.finished)

    def _tell(self, name: str, subject: object) -> None:
        for listener in self.listeners[name]:
            try:
                listener(subject)
            except Exception as error:
                code = inspect.unwrap(listener).__code__
                where, why = f"{code.co_filename}:{code.co_firstlineno}", f"{type(error).__name__}: {error}"
                raise RunError(
                    f"a plugin's tau2_{name} ({where}) failed: {why}; what is finished is kept in "
                    f"{self.journal.folder}. Mend the plugin, or block it with --no-plugin, then run again"
                ) from error
