"""Applying a function to many items without models, for example to grade them: in this process or by workers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from itertools import chain, islice
from typing import Protocol

from tau2_core.runs.executors.launching import ChosenExecutor
from tau2_core.runs.executors.messages import Compute, Computed, Setup
from tau2_core.runs.executors.run_description import packed_computation
from tau2_core.runs.executors.shared_models import SharedModels
from tau2_core.runs.executors.worker_handle import ATTEMPTS, WorkerEndedError
from tau2_core.runs.executors.worker_pool import WorkerPool

MOST_OF_A_BATCH = 16  # items per batch
FULL = 1 << 18  # bytes after which a batch is full
AHEAD = 16  # batches per worker, done or not, that may wait for the results of earlier ones
AT_A_TIME = 2  # batches that a worker has at a time: one that it computes, and the next

Work = Callable[[bytes], Awaitable[bytes]]


class Computation(Protocol):
    """A function from bytes to bytes that each worker prepares itself. It is pickled."""

    def prepare(self) -> Work:
        """Load everything needed and return the function, which must be deterministic. Raises Tau2GymError."""

    def lost(self, given: bytes, why: str) -> bytes:
        """Return the result for an item whose worker ended at every attempt."""


async def compute(
    chosen: ChosenExecutor,
    computation: Computation,
    given: Iterable[bytes],
    take: Callable[[bytes], object],
    *,
    batch: int = MOST_OF_A_BATCH,
) -> None:
    """Apply a computation to each item and pass on the results in order.

    Items are read as they are needed, so there may be any number of them; workers get up to `batch` at a time. Raises
    RunError, UsageError, and the errors of `prepare`.
    """
    if chosen.is_here:
        work = computation.prepare()
        for each in given:
            take(await work(each))
            await asyncio.sleep(0)  # give Ctrl-C a chance
        return
    batches = _batches(given, batch)
    setup = Setup(packed_computation(computation))
    async with chosen.opened() as launcher:
        first = list(islice(batches, launcher.workers))
        if not first:
            return
        async with WorkerPool(launcher, len(first), setup, SharedModels([])) as pool:  # more would be idle
            try:
                await _in_order(pool, computation, chain(first, batches), take)
            except BaseExceptionGroup as errors:
                raise errors.exceptions[0] from None


def _batches(given: Iterable[bytes], most: int) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for each in given:
        batch.append(each)
        size += len(each)
        if len(batch) == most or size > FULL:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


async def _in_order(
    pool: WorkerPool, computation: Computation, batches: Iterator[list[bytes]], take: Callable[[bytes], object]
) -> None:
    pending: deque[asyncio.Task[list[bytes]]] = deque()
    places = asyncio.Semaphore(AT_A_TIME * pool.workers)

    async def compute_next(batch: list[bytes]) -> list[bytes]:
        async with places:
            return await _computed(pool, computation, batch)

    async def take_next() -> None:
        for result in await pending.popleft():
            take(result)

    async with asyncio.TaskGroup() as group:
        for batch in batches:
            pending.append(group.create_task(compute_next(batch)))
            while len(pending) > AHEAD * pool.workers or (pending and pending[0].done()):
                await take_next()
        while pending:
            await take_next()


async def _computed(pool: WorkerPool, computation: Computation, batch: list[bytes]) -> list[bytes]:
    try:
        return await _results(pool, batch, alone=False)
    except WorkerEndedError:
        return [await _computed_alone(pool, computation, each) for each in batch]


async def _computed_alone(pool: WorkerPool, computation: Computation, given: bytes) -> bytes:
    """Compute one item on a worker that does nothing else, so that no other item is lost if it ends the worker."""
    try:
        return (await _results(pool, [given], alone=True))[0]
    except WorkerEndedError as ended:
        return computation.lost(given, f"its worker ended {ATTEMPTS} times, the last time: {ended}")


async def _results(pool: WorkerPool, batch: list[bytes], *, alone: bool) -> list[bytes]:
    job = await pool.assign(partial(Compute, given=batch), alone=alone)
    said = await job.done
    assert isinstance(said, Computed)
    return said.results
