"""The plan of a run: its fixed inventory of slots, and their seeds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

from tau2_core.episode.participants import Participants
from tau2_core.episode.setting import Setting
from tau2_core.errors import UsageError
from tau2_core.model.episodes import Slot
from tau2_core.model.runs import MAX_EPISODES, Inventory, RunStart
from tau2_core.model.tasks import Task
from tau2_core.records.judge_calibration import JudgeCalibration
from tau2_core.redaction import Redactor, environment_redactor
from tau2_core.runs.evaluator_sets import EvaluatorSet

DEFAULT_SEED = 300
CONCURRENCY = 8  # episodes at a time
CONCURRENCY_A_WORKER = 4
BUSY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` parts of a run's inventory, by number from 1: every `count`-th slot."""

    number: int
    count: int

    def of(self, slots: Iterable[Slot]) -> Iterator[Slot]:
        return islice(slots, self.number - 1, None, self.count)

    def size(self, slots: int) -> int:
        """Return the size of the shard for this number of slots."""
        return len(range(self.number - 1, slots, self.count))


def parse_shard(text: str) -> Shard:
    """Return the shard that a text such as `3/16` names. Raises UsageError."""
    found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise UsageError(f"--shard should be a number and how many there are, such as 3/16, not {text!r}")
    return Shard(int(found[1]), int(found[2]))


@dataclass(frozen=True)
class Plan:
    """Everything that determines a run.

    `seed` gives each trial its own seed, the same for every task. `evaluators` is the name of the evaluator set,
    `evaluator_set` the set itself if it is not a registered one. `shard` is the part of the inventory that is played
    here; None is all of it. `concurrency` is the number of concurrent episodes; None means 8, or 4 per worker.
    """

    setting: Setting
    participants: Participants
    tasks: Sequence[Task]
    trials: int = 1
    seed: int = DEFAULT_SEED
    split: str | None = None
    evaluators: str = "tau2"
    concurrency: int | None = None
    faults: Sequence[str] = ()
    max_cost: float | None = None
    max_infrastructure_errors: int = 5
    run_seconds: float | None = None
    judge_all: bool = False
    evaluator_set: EvaluatorSet | None = None
    shard: Shard | None = None
    judge_calibration: JudgeCalibration | None = None

    def __post_init__(self) -> None:
        if not self.tasks:
            how = " that can be played solo" if self.setting.solo else ""
            raise UsageError(f"{self.setting.domain}: no task{how} is selected")
        for name in ("trials", "concurrency", "max_infrastructure_errors"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise UsageError(f"--{name.replace('_', '-')} must be at least 1, not {number}")
        if (episodes := len(self.tasks) * self.trials) > MAX_EPISODES:
            counted = f"--trials {self.trials} of {len(self.tasks)} tasks make {episodes:,} episodes"
            raise UsageError(f"{counted}; a run has at most {MAX_EPISODES:,}: take fewer trials or tasks")
        for name, seconds in (("max-cost", self.max_cost), ("run-timeout", self.run_seconds)):
            if seconds is not None and not seconds > 0:
                raise UsageError(f"--{name} must be more than 0, not {seconds}")
        if self.shard is not None and self.shard.count > self.size:
            raise UsageError(f"--shard: there are {self.size} slots, too few for {self.shard.count} shards")
        self.participants.check(self.setting)

    @property
    def interactive(self) -> bool:
        """Whether a person takes part."""
        return self.participants.agent.interactive or self.participants.user.interactive

    def width(self, workers: int = 1) -> int:
        """Return the number of concurrent episodes of the run over all workers; 1 if a person takes part."""
        wanted = self.concurrency or max(CONCURRENCY, workers * CONCURRENCY_A_WORKER)
        return 1 if self.interactive else min(wanted, self.own_size)

    def busy_seconds(self) -> float:
        """Return the seconds after which foreign code that keeps an event loop busy is interrupted."""
        return min(BUSY_SECONDS, self.participants.limits.timeout_seconds or BUSY_SECONDS)

    def redactor(self) -> Redactor:
        """Return the redactor, which removes the run's secrets from everything that the run writes."""
        models = self.participants.role_models.values()
        return next((role_model.redactor for role_model in models), None) or environment_redactor()

    def inventory(self) -> Inventory:
        """Return the inventory that the run's figures refer to."""
        setting, participants = self.setting, self.participants
        dataset = str(setting.dataset.root) if setting.dataset else None
        names = (setting.domain, participants.agent.name, participants.user.name, self.evaluators, dataset, self.split)
        return Inventory(*names, [task.id for task in self.tasks], self.trials)

    def run_start(self, folder: Path) -> RunStart:
        """Return the notification for plugins when the run begins."""
        setting, participants = self.setting, self.participants
        names = (setting.domain, participants.agent.name, participants.user.name)
        return RunStart(folder.name, folder, *names, [task.id for task in self.tasks], self.own_size)

    @property
    def size(self) -> int:
        """The number of slots."""
        return len(self.tasks) * self.trials

    @property
    def own_size(self) -> int:
        """The number of slots that are played here."""
        return self.size if self.shard is None else self.shard.size(self.size)

    def slots(self) -> Iterator[Slot]:
        """Yield all slots: all tasks in the first trial, then in the next."""
        return (Slot(task.id, trial) for trial in range(self.trials) for task in self.tasks)

    def own_slots(self) -> Iterator[Slot]:
        """Yield the slots that are played here: those of the shard, or all."""
        return self.slots() if self.shard is None else self.shard.of(self.slots())

    def seeds(self) -> list[int]:
        """Return one seed per trial."""
        return trial_seeds(self.seed, self.trials)


def trial_seeds(seed: int, trials: int) -> list[int]:
    """Return one seed per trial, drawn as in the official runner (spec/conversation.md, 2)."""
    random = Random(seed)
    return [random.randint(0, 1_000_000) for _ in range(trials)]
