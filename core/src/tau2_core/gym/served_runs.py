"""The runs of a server: the one that it was started for, and others that grow with clients' requests."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from threading import Lock

from tau2_core.episode.setting import Setting
from tau2_core.errors import RunError
from tau2_core.gym.hosted_episode import Blueprint
from tau2_core.gym.served_run import ServedRun
from tau2_core.gym.slots import Slots
from tau2_core.gym.workers import Workers
from tau2_core.model.episodes import EpisodeStart, Slot
from tau2_core.model.runs import RunSummary
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.records.journal import default_name
from tau2_core.runs.checked_plan import CheckedPlan
from tau2_core.runs.configuration import configuration
from tau2_core.runs.evaluator_sets import EvaluatorSet
from tau2_core.runs.plan import Plan
from tau2_core.runs.stopping import Stopping

Key = tuple[Setting, str]
GradedBy = Callable[[Setting], EvaluatorSet]


class ServedRuns:
    """The run folders of a server: one per setting and customer, opened at its first episode.

    `inventory` is the run that the server was started for, if any, with its `slots`. `stopping` watches the cost of the
    server's models and the outcomes of the slots' episodes.
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
        self.inventory: ServedRun | None = None
        self.slots: Slots | None = None
        self.workers = Workers()
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

    def out_of_time(self) -> bool:
        """Tell whether the time of the run that the server was started for is up."""
        return self.run_seconds is not None and time.monotonic() - self._began >= self.run_seconds

    def prepare(self, blueprint: Blueprint, graded_by: GradedBy) -> None:
        """Compute the configuration of an episode's run, once per setting. Slow, so for a worker thread."""
        key = _key(blueprint)
        with self._lock:
            if key not in self._checked:
                chosen = graded_by(blueprint.setting)
                plan = Plan(
                    blueprint.setting,
                    blueprint.participants,
                    [blueprint.task],
                    evaluators=chosen.name,
                    judge_all=self.judge_all,
                    evaluator_set=chosen,
                )
                self._checked[key] = CheckedPlan(
                    plan, chosen.grader(blueprint.setting), configuration(plan, self.catalogue)
                )

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

    async def begin(self, blueprint: Blueprint) -> int:
        """Add an episode before its first call or message, and notify plugins; return its trial.

        Raises RunError if its run's folder cannot be created or written.
        """
        run, is_new = self._run_for(blueprint)
        trial = run.enter(blueprint)
        if is_new:
            await run.notify("run_started", run.started())
        slot = Slot(blueprint.task.id, trial)
        await run.notify("episode_started", EpisodeStart(blueprint.setting.domain, slot, blueprint.seed))
        return trial

    def run_for(self, blueprint: Blueprint) -> ServedRun:
        """Return the run of an episode's record. Raises RunError if its folder cannot be created."""
        return self._run_for(blueprint)[0]

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


def _key(blueprint: Blueprint) -> Key:
    return blueprint.setting, blueprint.participants.user.name
