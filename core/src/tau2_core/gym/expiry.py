"""Closing episodes that are idle or past their deadline, and those of a run whose time is up."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from tau2_core.errors import RunError
from tau2_core.gym.errors import RefusedError

if TYPE_CHECKING:
    from tau2_core.gym.hosted_episode import HostedEpisode
    from tau2_core.gym.registry import Registry

log = logging.getLogger(__name__)


async def expire(registry: Registry) -> None:
    """Close idle episodes, and keep the records of those that reached their deadline.

    For the registry of a front, this covers all processes of the server.
    """
    now = time.monotonic()
    over = False
    if registry.runs is not None:
        registry.runs.stop_if_due()
        over = registry.runs.out_of_time()
    for episode in registry.all():
        if episode.in_flight or episode.closed:
            continue
        late = episode.deadline is not None and now > episode.deadline and not episode.ended
        stopped = over and episode.blueprint.slot is not None and not episode.ended
        if late or stopped or episode.last_used < now - registry.idle_seconds:
            if stopped:
                episode.lost, episode.stopping = "the run's time was up before the episode had ended", True
            elif not episode.ended:
                episode.lost = "the agent did not finish in time" if late else "the agent disappeared"
            await _close(registry, episode)
        elif episode.ended and not episode.kept:
            await registry.finish(registry.keeping.try_to_keep(episode))
    if registry.worker_processes is not None:
        await registry.worker_processes.expire()


async def _close(registry: Registry, episode: HostedEpisode) -> None:
    try:
        await registry.close(episode.id)
    except RefusedError:
        return  # it was closed in the meantime
    except RunError as error:
        log.error("episode %s has expired but stays open, since its record cannot be kept: %s", episode.id, error)
    else:
        registry.metrics.expired += 1
        log.info("episode %s expired", episode.id)
