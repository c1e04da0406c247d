"""`Curriculum`: which task to play next, by family, number of blocks and success so far."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from random import Random

from tau2_core.api.episode_factory import EpisodeFactory
from tau2_core.errors import UsageError
from tau2_core.model.tasks import Task
from tau2_core.name_suggestions import did_you_mean

# A task of a family names its blocks: `family[block|block]persona` in a pack, `[family]block|block[…]` in tau2-bench.
_OF_FAMILY = re.compile(
    r"(?P<family>[\w.-]+)\[(?P<blocks>[^\[\]]+)\][\w.-]*\Z|\[(?P<official>[^\[\]]+)\](?P<named>[^\[\]]+)"
)


@dataclass(frozen=True, order=True, slots=True)
class Level:
    """Tasks of one family with the same number of blocks; without a family, with the same number of gold calls."""

    family: str
    blocks: int

    @classmethod
    def of(cls, task: Task) -> Level:
        """Return a task's level."""
        match = _OF_FAMILY.match(task.id)
        if match is None:
            return cls("", len(task.gold()))
        blocks = match["blocks"] or match["named"]
        return cls(match["family"] or match["official"], len(blocks.split("|")))


class Curriculum:
    """Draws tasks mostly from levels that are solved sometimes, since those teach most.

    A level in which a share p of the episodes was solved has the weight `p * (1 - p) + floor`. p starts at 1/2 and is
    an average over at most `memory` episodes, so it follows a policy that learns. Within a level all tasks are equally
    likely. The same seed and the same rewards give the same draws.
    """

    def __init__(
        self,
        factory: EpisodeFactory,
        *,
        seed: int = 0,
        families: Collection[str] | None = None,
        min_blocks: int = 0,
        max_blocks: int | None = None,
        floor: float = 0.05,
        memory: int = 50,
    ) -> None:
        """Use a factory's tasks, optionally only those of some families or numbers of blocks.

        Raises UsageError if there are no such tasks, or if the factory mixes tasks of the splits train and test.
        """
        _refuse_mixed(factory)
        if not floor > 0 or memory < 1:
            raise UsageError(f"a curriculum needs a floor above 0 and a memory of at least 1, not {floor} and {memory}")
        self.levels: dict[Level, list[str]] = {}
        for task in factory.tasks.values():
            self.levels.setdefault(Level.of(task), []).append(task.id)
        known = {level.family for level in self.levels}
        for family in families or ():
            if family not in known:
                raise UsageError(f"there is no family {family!r} in these tasks ({did_you_mean(family, known)})")
        for level in list(self.levels):
            too_many = max_blocks is not None and level.blocks > max_blocks
            if (families is not None and level.family not in families) or level.blocks < min_blocks or too_many:
                del self.levels[level]
        if not self.levels:
            raise UsageError(f"no task has from {min_blocks} to {max_blocks} blocks; widen the limits")
        self._floor = floor
        self._memory = memory
        self._random = Random(seed)  # noqa: S311 - meant to be repeatable
        self._level_of = {task_id: level for level, ids in self.levels.items() for task_id in ids}
        self._solved = dict.fromkeys(self.levels, 1.0)
        self._played = dict.fromkeys(self.levels, 2.0)

    def draw(self) -> str:
        """Return the id of the task to play next."""
        levels = sorted(self.levels)
        weights = self.weights()
        (level,) = self._random.choices(levels, [weights[level] for level in levels])
        return self._random.choice(self.levels[level])

    def __contains__(self, task_id: str) -> bool:
        return task_id in self._level_of

    def tell(self, task_id: str, reward: float | None) -> None:
        """Record an episode's reward, 0 to 1. An unscored one (None) is ignored.

        Raises UsageError for a task that is not part of this curriculum.
        """
        if task_id not in self._level_of:
            raise UsageError(f"no task {task_id!r} in this curriculum ({did_you_mean(task_id, self._level_of)})")
        if reward is None:
            return
        level = self._level_of[task_id]
        self._solved[level] += reward
        self._played[level] += 1
        if self._played[level] > self._memory:
            self._solved[level] *= self._memory / self._played[level]
            self._played[level] = float(self._memory)

    def success(self) -> Mapping[Level, float]:
        """Return each level's share of solved episodes among the remembered ones."""
        return {level: self._solved[level] / self._played[level] for level in sorted(self.levels)}

    def weights(self) -> Mapping[Level, float]:
        """Return each level's weight in the draw; the weights do not add up to 1."""
        return {level: share * (1 - share) + self._floor for level, share in self.success().items()}


def _refuse_mixed(factory: EpisodeFactory) -> None:
    trained = _among(factory, "train")
    tested = _among(factory, "test")
    if trained and tested:
        raise UsageError(
            f"these tasks of {factory.domain} are of the splits train ({trained[0]!r}, …) and test ({tested[0]!r}, …); "
            "name one with split="
        )


def _among(factory: EpisodeFactory, split: str) -> list[str]:
    ids: Iterable[str] = factory.splits.get(split, ())
    return [task_id for task_id in ids if task_id in factory.tasks]
