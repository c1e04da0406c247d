"""Awaiting something for many items, a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")


async def for_each(items: Iterable[Item], width: int, work: Callable[[Item], Awaitable[None]]) -> int:
    """Await work for each item, `width` of them at a time; return their number.

    Items are taken when their turn comes. Raises the first error, which cancels the work in progress.
    """
    queue = iter(items)
    done = 0

    async def take() -> None:
        nonlocal done
        for item in queue:
            done += 1
            await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(width):
                group.create_task(take())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return done
