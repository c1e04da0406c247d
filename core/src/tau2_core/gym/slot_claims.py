"""Handing out the slots of the run that a server was started for."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING

from tau2_core.gym.errors import RefusedError
from tau2_core.gym.hosted_episode import HostedEpisode
from tau2_core.gym.served_run import ServedRun
from tau2_core.gym.slots import Claim, Slots

if TYPE_CHECKING:
    from tau2_core.gym.registry import Registry

log = logging.getLogger(__name__)


class SlotClaims:
    """Opens an episode in the registry for each claimed slot."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.runs = registry.runs

    async def claim(self) -> HostedEpisode:
        """Open the episode of the run's next slot.

        A task that cannot be set up is recorded as an infrastructure error, as in a run, and the next slot is taken.
        Raises RefusedError: 404 without a run to play, 409 or 410 when no slot is left or the run was stopped, 503 when
        the server is full.
        """
        run, slots = self.served()
        await self.registry.expire()  # slots whose time is up are handed out again
        while True:
            self.stop_if_due()
            slots.refuse_if_stopped()
            self.registry.admit()
            claim = slots.claim()
            try:
                episode = await self._open_slot(run, claim)
            except BaseException:
                slots.give_back(claim.slot)
                raise
            if episode is not None:
                return episode
            slots.finish(claim.slot)

    async def _open_slot(self, run: ServedRun, claim: Claim) -> HostedEpisode | None:
        """Open the episode of a slot; None, after recording it, if its task cannot be set up. Raises RefusedError."""
        assert self.runs is not None
        assert self.runs.slots is not None
        blueprint = run.blueprint(claim.slot)
        try:
            episode = await self.registry.workers.run(partial(self.registry.build, blueprint))
        except RefusedError as error:
            self.runs.stopping.count(await run.keep_failed(claim.slot, blueprint.seed, str(error)))
            return None
        episode.attempt, episode.deadline = claim.attempt, time.monotonic() + self.runs.slots.seconds
        return self.registry.add(episode)

    def stop_if_due(self) -> None:
        """Stop handing out slots if the run's time or budget is used up, or it cannot continue."""
        if self.runs is None or self.runs.slots is None or self.runs.slots.stopped:
            return
        if self.runs.out_of_time():
            self.runs.slots.stopped = f"the run's {self.runs.run_seconds:g} s have passed"
        elif self.runs.stopping.check():
            self.runs.slots.stopped = self.runs.stopping.why
        if self.runs.slots.stopped:
            log.error("%s; --resume continues", self.runs.slots.stopped)

    def served(self) -> tuple[ServedRun, Slots]:
        """Return the run that this server was started for, and its slots. Raises RefusedError (404)."""
        if self.runs is None or self.runs.inventory is None or self.runs.slots is None:
            what = "this server was started without a run; give it --split, --task or --trials"
            raise RefusedError(404, "no_run", what)
        return self.runs.inventory, self.runs.slots
