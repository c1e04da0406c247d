"""The runs of a server: the one that it was started for, and others that grow with clients' requests."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from typing import Any

from tau2_core.episode.setting import Setting
from tau2_core.errors import RunError
from tau2_core.gym.entries import GradedBy
from tau2_core.gym.hosted_episode import Blueprint
from tau2_core.gym.served_run import ServedRun
from tau2_core.gym.slot_claims import no_run
from tau2_core.gym.slots import Claim, Slots
from tau2_core.gym.worker_threads import WorkerThreads
from tau2_core.model.episodes import EpisodeRecord, EpisodeStart, Slot
from tau2_core.model.evaluation import Grade, Judgement
from tau2_core.model.latency import Latency
from tau2_core.model.runs import RunSummary
from tau2_core.model.tokens import TracedCall
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.records.run_names import default_name
from tau2_core.runs.checked_plan import CheckedPlan
from tau2_core.runs.configuration import configuration
from tau2_core.runs.evaluator_sets import EvaluatorSet
from tau2_core.runs.plan import Plan
from tau2_core.runs.stopping import Stopping

log = logging.getLogger(__name__)
Key = tuple[Setting, str]


class ServedRuns:
    """The run folders of a server: one per setting and customer, opened at its first episode.

    `inventory` is the served run, if there is one, with its `slots`. `stopping` watches the cost of the server's models
    and the outcomes of the slots' episodes.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        out: Path,
        stopping: Stopping,
        *,
        judge_all: bool = False,
        conversation_tools: bool = False,
    ) -> None:
        self.catalogue = catalogue
        self.out = out
        self.stopping = stopping
        self.judge_all = judge_all
        self.conversation_tools = conversation_tools
        self.planned: CheckedPlan | None = None  # what the inventory will be
        self.inventory: ServedRun | None = None
        self.slots: Slots | None = None
        self.workers = WorkerThreads()
        self.run_seconds: float | None = None
        self._began = time.monotonic()
        self._checked: dict[Key, CheckedPlan] = {}
        self._runs: dict[Key, list[ServedRun]] = {}
        self._stack = ExitStack()
        self._lock = Lock()

    def open_inventory(
        self, checked: CheckedPlan, folder: Path, *, resume: bool, attempts: int, seconds: float
    ) -> None:
        """Open the folder of the run to serve, with its run.json, and notify plugins. Raises RunError."""
        run = self.inventory = self._open(checked, folder, fixed=True, resume=resume)
        run.listeners.notify_now("run_started", run.started())
        self.stopping.spent += run.before.spent.values()
        self.run_seconds, self._began = checked.plan.run_seconds, time.monotonic()
        self.slots = Slots(
            list(checked.plan.own_slots()), run.before.records.keys(), attempts=attempts, seconds=seconds
        )

    @property
    def slot_attempts(self) -> int:
        return self.served()[1].attempts

    @property
    def slot_seconds(self) -> float:
        return self.served()[1].seconds

    def served(self) -> tuple[ServedRun, Slots]:
        """Return the run that this server was started for, and its slots. Raises RefusedError (404)."""
        if self.inventory is None or self.slots is None:
            raise no_run()
        return self.inventory, self.slots

    async def claim(self) -> Claim:
        """Take the next slot. Raises RefusedError: 404 without a run, 409 or 410 if none is left or it was stopped."""
        _, slots = self.served()
        self.stop_if_due()
        slots.refuse_if_stopped()
        return slots.claim()

    def blueprint(self, slot: Slot) -> Blueprint:
        return self.served()[0].blueprint(slot)

    def give_back(self, slot: Slot) -> None:
        self.served()[1].give_back(slot)

    def lose(self, slot: Slot) -> None:
        self.served()[1].lose(slot)

    async def fail(self, slot: Slot, seed: int, why: str) -> None:
        """Record a slot whose task cannot be set up, as in a run. Raises RunError."""
        run, slots = self.served()
        self.stopping.count(await run.keep_failed(slot, seed, why))
        slots.finish(slot)

    def stop_if_due(self) -> None:
        """Stop handing out slots if the run's time or budget is used up, or it cannot continue."""
        if self.slots is None or self.slots.stopped:
            return
        if self.out_of_time():
            self.slots.stopped = f"the run's {self.run_seconds:g} s have passed"
        elif self.stopping.check():
            self.slots.stopped = self.stopping.why
        if self.slots.stopped:
            log.error("%s; --resume continues", self.slots.stopped)

    def over_budget(self) -> bool:
        return self.stopping.over_budget()

    def out_of_time(self) -> bool:
        """Tell whether the time limit of the served run has been reached."""
        return self.run_seconds is not None and time.monotonic() - self._began >= self.run_seconds

    def prepare(self, blueprint: Blueprint, graded_by: GradedBy) -> None:
        """Compute the configuration of an episode's run, once per setting. Slow, so it belongs in a worker thread."""
        key = _key(blueprint)
        with self._lock:
            if key not in self._checked:
                chosen = graded_by(blueprint.setting)
                plan = growing_plan(blueprint, chosen, judge_all=self.judge_all)
                self._checked[key] = CheckedPlan(
                    plan, chosen.grader(blueprint.setting), configuration(plan, self.catalogue)
                )

    def prepared(self) -> list[tuple[Setting, str, dict[str, Any]]]:
        """Return setting, customer and configuration of all runs that are prepared, but for the served one."""
        with self._lock:
            return [(*key, checked.config) for key, checked in self._checked.items()]

    def configuration_of(self, blueprint: Blueprint) -> dict[str, Any]:
        """Return the configuration of the prepared run of an episode without a slot."""
        with self._lock:
            return self._checked[_key(blueprint)].config

    def _open(self, checked: CheckedPlan, folder: Path, *, fixed: bool, resume: bool = False) -> ServedRun:
        return ServedRun(
            checked,
            folder,
            fixed=fixed,
            resume=resume,
            stack=self._stack,
            catalogue=self.catalogue,
            workers=self.workers,
            conversation_tools=self.conversation_tools,
        )

    async def begin(self, blueprint: Blueprint, episode_id: str) -> LocalEntry:
        """Add an episode before its first call or message, and notify plugins.

        Raises RunError if its run's folder cannot be created or written.
        """
        run, is_new = self._run_for(blueprint)
        trial = run.enter(blueprint)
        if is_new:
            await run.notify("run_started", run.started())
        slot = Slot(blueprint.task.id, trial)
        await run.notify("episode_started", EpisodeStart(blueprint.setting.domain, slot, blueprint.seed))
        return LocalEntry(self, run, blueprint, trial, episode_id)

    def _run_for(self, blueprint: Blueprint) -> tuple[ServedRun, bool]:
        """Return the run of an episode, and whether it was just opened."""
        if blueprint.slot is not None:
            assert self.inventory is not None
            return self.inventory, False
        key = _key(blueprint)
        runs = self._runs.setdefault(key, [])
        for run in runs:
            if blueprint.free or run.takes(blueprint.task):
                return run, False
        folder = self.out / default_name(blueprint.setting.domain, "serve")
        runs.append(self._open(self._checked[key], folder, fixed=False))
        return runs[-1], True

    def all(self) -> list[ServedRun]:
        grown = [run for runs in self._runs.values() for run in runs]
        return grown if self.inventory is None else [self.inventory, *grown]

    async def grade_what_is_left(self) -> None:
        if self.inventory is not None:
            await self.inventory.grade_what_is_left()

    async def close(self) -> None:
        """Write all summaries, notify plugins, and release the folders. Raises RunError at the end."""
        failures: list[RunError] = []
        ended: list[tuple[ServedRun, RunSummary]] = []
        with self._stack:
            runs, self.inventory, self._runs = self.all(), None, {}
            for run in runs:
                try:
                    if run.fixed or run.tasks:
                        ended.append((run, run.sum_up()))
                except RunError as error:
                    failures.append(error)
            for run, summary in ended:
                await run.notify("run_finished", summary)
            for run in runs:
                await run.all_notified()
                run.listeners.close()
        if failures:
            raise failures[0]


class LocalEntry:
    """An episode's entry in a run whose folder this process writes."""

    def __init__(self, runs: ServedRuns, run: ServedRun, blueprint: Blueprint, trial: int, episode_id: str) -> None:
        self.trial = trial
        self.episode_id = episode_id
        self._runs = runs
        self._run = run
        self._blueprint = blueprint

    @property
    def run_name(self) -> str:
        """The name of the run's folder."""
        return self._run.journal.folder.name

    async def keep(self, episode_id: str, record: EpisodeRecord, traced: Sequence[TracedCall], *, lost: bool) -> None:
        """Append the record, and notify plugins of it. Raises RunError."""
        self._run.keep(episode_id, record, traced)
        slots = self._runs.slots
        if self._blueprint.slot is not None and slots is not None:
            (slots.lose if lost else slots.finish)(self._blueprint.slot)
            if not lost:  # an agent that disappears is not a fault of this server
                self._runs.stopping.count(record)

    def asks_judge(self, record: EpisodeRecord) -> bool:
        return self._run.asks_judge(record, self._blueprint.task)

    async def grade(self, record: EpisodeRecord, seconds: float, latency: Latency) -> Grade | None:
        """Notify plugins of a kept record, then grade it if there is a task. Raises RunError."""
        await self.notify(record)
        return await self.grade_only(record, seconds, latency)

    async def notify(self, record: EpisodeRecord) -> None:
        """Notify plugins of a kept record."""
        await self._run.notify("episode_finished", record)

    def note_grade(self, record: EpisodeRecord, grade: Grade, seconds: float, latency: Latency) -> None:
        """Append a grade that another process has computed. Raises RunError."""
        self._run.note_grade(record, grade, seconds, latency)

    def note_judgement(self, slot: Slot, judgement: Judgement) -> None:
        """Append a judge's decision that another process has requested. Raises RunError."""
        self._run.judging.keep(slot, judgement)
        self._run.judging.known[slot] = judgement

    async def grade_only(self, record: EpisodeRecord, seconds: float, latency: Latency) -> Grade | None:
        """Grade a kept record if there is a task. Raises RunError."""
        return None if self._blueprint.free else await self._run.grade(record, self._blueprint.task, seconds, latency)


def growing_plan(blueprint: Blueprint, chosen: EvaluatorSet, *, judge_all: bool) -> Plan:
    """Return the plan of a run whose inventory grows, with the task of its first episode."""
    return Plan(
        blueprint.setting,
        blueprint.participants,
        [blueprint.task],
        evaluators=chosen.name,
        judge_all=judge_all,
        evaluator_set=chosen,
    )


def _key(blueprint: Blueprint) -> Key:
    return blueprint.setting, blueprint.participants.user.name
