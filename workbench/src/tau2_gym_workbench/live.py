"""Server-sent events for a run in progress, from changes in its files, whichever process writes them."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Container, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from starlette.concurrency import run_in_threadpool
from tau2_core.errors import Tau2GymError

from tau2_gym_workbench import rendering
from tau2_gym_workbench.figures import RunFigures
from tau2_gym_workbench.folder import is_written_to
from tau2_gym_workbench.index import RunIndex
from tau2_gym_workbench.links import Links
from tau2_gym_workbench.matrix import one_cell
from tau2_gym_workbench.pages import PageSource
from tau2_gym_workbench.text import seconds, shown

log = logging.getLogger(__name__)
POLL_SECONDS = 0.5
MEASURED_SECONDS = 60.0
SILENT_SECONDS = 15.0  # without news, a viewer gets a comment this often, so that proxies keep the connection open
ENDED = "event: ended\ndata: {}\n\n"
Place = tuple[int, int]  # task and trial


@dataclass
class Speed:
    """How fast episodes finish, measured over the last minute."""

    points: deque[tuple[float, int]] = field(default_factory=deque)

    def note(self, finished: int) -> None:
        now = time.monotonic()
        self.points.append((now, finished))
        while now - self.points[0][0] > MEASURED_SECONDS:
            self.points.popleft()

    def estimate(self, figures: RunFigures) -> dict[str, str] | None:
        """Return the rate and the time left, or None if too little has been measured."""
        (begun, before), (now, after) = self.points[0], self.points[-1]
        if now - begun < 1 or after <= before:
            return None
        rate = (after - before) / (now - begun)
        shown_rate = f"{rate:.1f} / s" if rate >= 1 else f"{rate * 60:.1f} / min"
        return {"rate": shown_rate, "left": seconds((figures.slots - figures.finished) / rate)}


class Row(NamedTuple):
    """The columns that a cell is made from."""

    outcome: str | None
    reward: float | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of the files: the parts of the page, and the rows that have changed since the previous snapshot."""

    index_version: int
    state: str
    progress: str
    groups: str
    rows: Mapping[Place, Row]


class LiveRun:
    """A run with viewers. `poll` reads its files once for all of them.

    It keeps the latest state of each cell and no queue, so a viewer that reads slowly, or never, delays no other
    viewer and needs no memory. Its next event has everything that has changed in the meantime.
    """

    def __init__(self, source: PageSource, links: Links, key: str) -> None:
        self._source = source
        self._links = links
        self._key = key
        self._pace = Speed()
        self._snapshot: Snapshot | None = None
        self._rows: dict[Place, tuple[int, Row]] = {}  # with the version in which each last changed
        self._version = 0
        self._changed = asyncio.Event()
        self._last_event = ""  # set when the run ends or its folder is gone

    async def poll(self) -> None:
        """Read the files again and again, until the run ends or its folder is gone."""
        try:
            while not self._last_event:
                snapshot = await run_in_threadpool(self._read_snapshot)
                if snapshot is not None:
                    self._take(snapshot)
                await asyncio.sleep(0 if self._last_event else POLL_SECONDS)
        except (Tau2GymError, OSError) as error:
            self._last_event = f"event: gone\ndata: {json.dumps(str(error))}\n\n"
        except Exception:
            log.exception("the run %s can no longer be followed", self._key)
            self._last_event = "event: gone\ndata: {}\n\n"
        finally:
            self._wake_viewers()

    async def events(self, tasks: Container[int]) -> AsyncIterator[str]:
        """Yield an event with new figures, and new cells of these tasks, whenever they change. Ends with the run."""
        seen = 0
        while True:
            news = self._changed
            if self._version > seen:
                before, seen = seen, self._version
                yield f"data: {json.dumps(self._event(before, tasks))}\n\n"
            elif self._last_event:
                yield self._last_event
                return
            else:
                try:
                    async with asyncio.timeout(SILENT_SECONDS):
                        await news.wait()
                except TimeoutError:
                    yield ": nothing new\n\n"

    def _event(self, seen: int, tasks: Container[int]) -> dict[str, Any]:
        assert self._snapshot is not None  # there is a version, so there is a snapshot
        changed = ((*place, row) for place, (version, row) in self._rows.items() if version > seen)
        cells = [self._cell(task, trial, row) for task, trial, row in changed if task in tasks]
        return {"progress": self._snapshot.progress, "groups": self._snapshot.groups, "cells": cells}

    def _cell(self, task: int, trial: int, row: Row) -> dict[str, str]:
        cell = one_cell(row._asdict(), trial, chosen=True)
        return {
            "id": f"c-{task}-{trial}",
            "kind": cell.kind,
            "sign": cell.sign,
            "label": f"trial {trial}: {cell.label}",
            "title": shown(cell.reason or cell.label),
            "href": self._links.episode(self._key, task, trial),
        }

    def _take(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._version += 1
        self._rows.update((place, (self._version, row)) for place, row in snapshot.rows.items())
        if snapshot.state != "running":
            self._last_event = ENDED
        self._wake_viewers()

    def _wake_viewers(self) -> None:
        news, self._changed = self._changed, asyncio.Event()
        news.set()

    def _read_snapshot(self) -> Snapshot | None:
        """Read the files; return None if nothing is new. It runs in a thread and changes nothing that viewers read."""
        index, before = self._source.runs.index(self._key), self._snapshot
        if before is not None and before.index_version == index.version and is_written_to(index.folder):
            return None
        version = index.version
        figures = self._source.figures(index)
        self._pace.note(figures.finished)
        templates = rendering.own()
        groups = self._source.details(index).groups
        told = {"figures": figures, "pace": self._pace.estimate(figures)}
        listed = {"figures": figures, "groups": groups, "links": self._links, "key": self._key}
        return Snapshot(
            version,
            figures.state,
            templates.get_template("workbench/progress.html").render(told),
            templates.get_template("workbench/groups.html").render(listed),
            self._new_rows(index),
        )

    def _new_rows(self, index: RunIndex) -> dict[Place, Row]:
        """Return the rows whose outcome has changed since the last call."""
        with index.reading() as connection:
            rows = connection.execute(
                "SELECT e.task, e.trial, g.outcome, g.reward, g.reason FROM episodes e LEFT JOIN grades g"
                " ON g.task = e.task AND g.trial = e.trial"
            )
            return {
                (task, trial): Row(outcome, reward, reason)
                for task, trial, outcome, reward, reason in rows
                if (task, trial) not in self._rows or self._rows[task, trial][1].outcome != outcome
            }


class LiveRuns:
    """The runs with viewers, each polled for as long as it has any."""

    def __init__(self, source: PageSource, links: Links) -> None:
        self._source = source
        self._links = links
        self._watched: dict[str, _Watched] = {}

    async def events(self, key: str, tasks: Container[int]) -> AsyncIterator[str]:
        """Yield the events of a run for a viewer whose page shows these tasks."""
        watched = self._watched.get(key)
        if watched is None or watched.polling.done():
            live = LiveRun(self._source, self._links, key)
            watched = self._watched[key] = _Watched(live, asyncio.create_task(live.poll()))
        watched.viewers += 1
        try:
            async for event in watched.live.events(tasks):
                yield event
        finally:
            watched.viewers -= 1
            if not watched.viewers:
                watched.polling.cancel()
                if self._watched.get(key) is watched:
                    del self._watched[key]


@dataclass
class _Watched:
    live: LiveRun
    polling: asyncio.Task[None]
    viewers: int = 0
