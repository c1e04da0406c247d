"""Keeping hosted episodes: their records, then their grades, and the notification of plugins."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import Any

from tau2_core.errors import RunError
from tau2_core.gym.entries import Entry, Runs
from tau2_core.gym.hosted_episode import HostedEpisode
from tau2_core.model.episodes import EpisodeRecord, Slot
from tau2_core.model.evaluation import Grade

log = logging.getLogger(__name__)
Kept = tuple[HostedEpisode, EpisodeRecord]


class RecordKeeper:
    """Writes records and grades into the folders of `runs`; nothing is kept if it is None."""

    def __init__(self, runs: Runs | None) -> None:
        self.runs = runs
        self._gradings: set[asyncio.Task[Grade | None]] = set()
        self._hurried = asyncio.Event()

    async def enter_run(self, episode: HostedEpisode) -> None:
        """Give an episode its trial in a run, before its first call or message.

        If the run's folder cannot be created or written, the episode continues; the error is reported with its record.
        """
        if self.runs is None:
            episode.trial = 0
            return
        with suppress(RunError):
            await self._enter(self.runs, episode)

    @staticmethod
    async def _enter(runs: Runs, episode: HostedEpisode) -> Entry:
        if episode.entry is None:
            episode.entry = await runs.begin(episode.blueprint, episode.id)
            episode.trial = episode.entry.trial
        return episode.entry

    async def keep(self, episode: HostedEpisode) -> None:
        """Write the record of an episode once, if anything happened in it, and its grade if it has a task.

        The caller must hold the episode's lock. Raises RunError.
        """
        record = await self.keep_record(episode)
        if record is None or self.runs is None:
            return
        grading = self._start_grading(episode, record)
        if not (await self._enter(self.runs, episode)).asks_judge(record):
            await asyncio.shield(grading)

    def _start_grading(self, episode: HostedEpisode, record: EpisodeRecord) -> asyncio.Task[Grade | None]:
        """Grade in a separate task, which is not cancelled when its waiters are."""
        grading = episode.grading = asyncio.create_task(self._keep_grade(episode, record))
        self._gradings.add(grading)
        grading.add_done_callback(self._gradings.discard)
        return grading

    async def keep_record(self, episode: HostedEpisode) -> EpisodeRecord | None:
        """Write the record of an episode once, if anything happened in it. Raises RunError.

        A lost episode of a slot is recorded only after the last attempt, as an infrastructure error.
        """
        if episode.kept or self.runs is None:
            return None
        slot = episode.blueprint.slot
        if not (episode.touched if slot is None else self._is_result(episode, slot, self.runs)):
            return None
        entry = await self._enter(self.runs, episode)
        record = await episode.snapshot()
        await entry.keep(episode.id, record, episode.episode.token_traces(), lost=bool(episode.lost))
        episode.kept = True
        return record

    def _is_result(self, episode: HostedEpisode, slot: Slot, runs: Runs) -> bool:
        """Tell whether to record an episode of a slot; a lost one is handed out again."""
        if not episode.touched and not episode.lost:
            episode.lost = "it was deleted before anything happened"
        if not episode.lost:
            return True
        if not episode.stopping and episode.attempt < runs.slot_attempts:
            runs.lose(slot)
            episode.kept = True
            return False
        episode.interrupt(f"{episode.lost} (attempt {episode.attempt})")
        return episode.touched or not episode.stopping

    async def _keep_grade(self, episode: HostedEpisode, record: EpisodeRecord) -> Grade | None:
        """Notify plugins of a kept record, then grade it if there is a task. Raises RunError."""
        assert self.runs is not None
        entry = await self._enter(self.runs, episode)
        return await entry.grade(record, time.monotonic() - episode.begun_at, episode.episode.latency)

    async def try_to_keep(self, episode: HostedEpisode) -> None:
        async with episode.lock:
            try:
                await self.keep(episode)
            except RunError as error:
                log.error("the record of episode %s cannot be kept yet: %s", episode.id, error)

    async def last_grades(self, kept: list[Kept]) -> None:
        await self.wait(set(self._gradings), None)
        left = len(self._gradings) + len(kept)
        for episode, record in kept:
            if self._hurried.is_set():
                break
            grading = self._start_grading(episode, record)
            await self.wait({grading}, None)
            if grading.done():
                left -= 1
                if error := grading.exception():
                    log.error("episode %s is not graded: %s", episode.id, error)
        if left:
            log.error("%s records are not graded, since the server had to stop at once", left)

    async def sum_up(self) -> None:
        """Write the summaries of the served runs, notify plugins, and release the folders."""
        if self.runs is None:
            return
        work = asyncio.create_task(self.runs.close())
        await self.wait({work}, None)
        if not work.done():
            log.error("plugins are not notified of the end of the run, since the server had to stop at once")
            work.cancel()
            await asyncio.wait({work})
        elif error := work.exception():
            log.error("the summary of a run is lost, its records and grades are kept: %s", error)

    def hurry(self) -> None:
        """Make `wait` return at once, now and later."""
        self._hurried.set()

    async def wait(self, tasks: set[asyncio.Task[Any]], seconds: float | None) -> None:
        """Wait until tasks are done, time is up, or `hurry` is called."""
        if not tasks:
            return
        everything = asyncio.ensure_future(asyncio.wait(tasks))
        hurried = asyncio.create_task(self._hurried.wait())
        await asyncio.wait({everything, hurried}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        everything.cancel()
        hurried.cancel()
