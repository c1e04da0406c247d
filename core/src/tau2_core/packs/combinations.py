"""The combinations of a family's blocks, in order, each with a persona (spec/telecom.md, 9.3)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

NOBODY = "none"


@dataclass(frozen=True, slots=True)
class Combination:
    """One task of a family before it is built: the blocks, sorted by name, and the persona."""

    family: str
    blocks: tuple[str, ...]
    persona: str = NOBODY

    @property
    def task_id(self) -> str:
        """Return `family[block|block]persona`, without the persona `none`."""
        persona = "" if self.persona == NOBODY else self.persona
        return f"{self.family}[{'|'.join(self.blocks)}]{persona}"


def choices(select: Sequence[Sequence[str]]) -> int:
    """Return the number of choices: at most one block from each line."""
    return prod(len(line) + 1 for line in select)


def block_combinations(
    select: Sequence[Sequence[str]], at_least_one_of: Collection[str] | None = None
) -> Iterator[tuple[str, ...]]:
    """Yield the combinations of blocks, those with fewer blocks first.

    From each line of `select` at most one block is taken. Lines and blocks determine the order: the last line varies
    fastest, and taking nothing comes last. Combinations without a block of `at_least_one_of` (default: any block) are
    left out.
    """
    enough = None if at_least_one_of is None else frozenset(at_least_one_of)
    found = []
    for choice in product(*([*line, None] for line in select)):
        blocks = tuple(sorted(block for block in choice if block is not None))
        if blocks and (enough is None or not enough.isdisjoint(blocks)):
            found.append(blocks)
    yield from sorted(found, key=len)


def family_combinations(
    family: str,
    select: Sequence[Sequence[str]],
    at_least_one_of: Collection[str] | None = None,
    personas: Sequence[str] = (),
) -> Iterator[Combination]:
    """Yield a family's combinations in order, each with a persona; the personas take turns."""
    turns = personas or (NOBODY,)
    for position, blocks in enumerate(block_combinations(select, at_least_one_of)):
        yield Combination(family, blocks, turns[position % len(turns)])
