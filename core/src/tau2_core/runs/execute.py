"""Executing a plan: episodes side by side, one writer, records before grades."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tau2_core.episode.play import play
from tau2_core.evaluators.grade import Grader
from tau2_core.model.episodes import EpisodeRecord, EpisodeStart, Slot
from tau2_core.model.evaluation import Grade
from tau2_core.model.runs import RunStart, RunSummary
from tau2_core.model.tasks import Task
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
    plan: Plan, catalogue: Catalogue, folder: Path, *, on_finished: Callable[[Finished], None] | None = None
) -> RunResult:
    """Play and grade a plan into a new run folder.

    Raises RunError if the folder cannot be made or written, PackError or DatasetError before the first episode if
    data are wrong. When cancelled, sums up what is finished.
    """
    grader = Grader(plan.setting, plan.evaluators, catalogue.evaluators(plan.evaluators))
    plan.setting.bases()
    config = configuration(plan)
    journal = Journal(folder)
    journal.write("run.json", config)
    for task in plan.tasks:
        journal.append("tasks.jsonl", task.model_dump(mode="json", exclude_none=True))
    run = _Run(plan, catalogue, journal, grader, on_finished)
    return await run.run()


class _Run:
    def __init__(
        self,
        plan: Plan,
        catalogue: Catalogue,
        journal: Journal,
        grader: Grader,
        on_finished: Callable[[Finished], None] | None,
    ) -> None:
        self.plan = plan
        self.journal = journal
        self.grader = grader
        self.on_finished = on_finished
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
        record = await play(self.plan.setting, task, self.plan.cast, slot, seed)
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
            listener(subject)
