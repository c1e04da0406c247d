"""Handing out the slots of the run that a server was started for."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from tau2_core.gym.errors import RefusedError
from tau2_core.gym.expiry import expire
from tau2_core.gym.hosted_episode import HostedEpisode
from tau2_core.gym.served_run import ServedRun
from tau2_core.gym.slots import Claim, Slots

if TYPE_CHECKING:
    from tau2_core.gym.entries import Runs
    from tau2_core.gym.registry import Registry


class SlotClaims:
    """Opens an episode in the registry for each claimed slot."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    async def claim(self) -> HostedEpisode:
        """Open the episode of the run's next slot.

        A task that cannot be set up is recorded as an infrastructure error, as in a run, and the next slot is taken.
        Raises RefusedError: 404 without a run to play, 409 or 410 when no slot is left or the run was stopped, 503 when
        the server is full.
        """
        runs = self._runs()
        await expire(self.registry)  # slots past their deadline are handed out again
        while True:
            claim = await runs.claim()
            try:
                self.registry.admit()
                episode = await self._open_slot(runs, claim)
            except BaseException:
                runs.give_back(claim.slot)
                raise
            if episode is not None:
                return episode

    async def _open_slot(self, runs: Runs, claim: Claim) -> HostedEpisode | None:
        """Open the episode of a slot; None, after recording it, if its task cannot be set up. Raises RefusedError."""
        blueprint = runs.blueprint(claim.slot)
        try:
            episode = await self.registry.workers.run(partial(self.registry.build, blueprint))
        except RefusedError as error:
            await runs.fail(claim.slot, blueprint.seed, str(error))
            return None
        episode.attempt, episode.deadline = claim.attempt, time.monotonic() + runs.slot_seconds
        return await self.registry.add(episode)

    def served(self) -> tuple[ServedRun, Slots]:
        """Return the run that this server was started for, and its slots. Raises RefusedError (404)."""
        return self._runs().served()

    def _runs(self) -> Runs:
        if self.registry.runs is None:
            raise no_run()
        return self.registry.runs


def no_run() -> RefusedError:
    """Return the refusal of a server without a run."""
    return RefusedError(404, "no_run", "this server was started without a run; give it --split, --task or --trials")
