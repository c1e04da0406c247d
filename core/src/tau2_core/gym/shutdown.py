"""Closing all episodes of a server when it stops: records first, then grades."""

from __future__ import annotations

import asyncio
import logging

from tau2_core.errors import Tau2GymError
from tau2_core.gym.hosted_episode import HostedEpisode
from tau2_core.gym.record_keeping import Kept
from tau2_core.gym.registry import Registry

log = logging.getLogger(__name__)


async def close_all(registry: Registry, grace: float) -> None:
    """Close all episodes at shutdown: keep all records first, then the grades.

    Calls in progress have `grace` seconds to finish; otherwise the record ends before the call. Grading may take as
    long as it needs, unless `registry.hurry` is called.
    """
    for episode in registry.all():
        if episode.blueprint.slot is not None and not episode.ended:
            episode.lost, episode.stopping = "the server was stopped before the episode had ended", True
    works = set(registry.works)
    busy = [episode for episode in registry.all() if episode.lock.locked()]
    calling = {asyncio.create_task(_after_call(episode)): episode for episode in busy}
    records = [await _last_record(registry, episode) for episode in registry.all() if episode not in busy]
    await registry.keeping.wait(works | set(calling), grace)
    for task, episode in calling.items():
        if not task.done():
            task.cancel()
            if not episode.kept:  # otherwise it is being graded at the moment
                log.error("a call of episode %s did not end in time; the record ends before it", episode.id)
                episode.interrupt("the server was stopped during a call")
        records.append(await _last_record(registry, episode))
    for work in works:
        work.cancel()
    await registry.keeping.wait(works, grace)
    await registry.keeping.last_grades([kept for kept in records if kept is not None])
    await registry.keeping.sum_up()


async def _after_call(episode: HostedEpisode) -> None:
    async with episode.lock:
        pass


async def _last_record(registry: Registry, episode: HostedEpisode) -> Kept | None:
    if not episode.closed:
        registry.unlist(episode)
    try:
        record = await registry.keeping.keep_record(episode)
    except Tau2GymError as error:
        log.error("the record of episode %s is lost: %s", episode.id, error)
        return None
    return None if record is None else (episode, record)
