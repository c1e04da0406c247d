"""Server-sent events for a run in progress, from changes in its files, whichever process writes them."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from starlette.concurrency import run_in_threadpool
from tau2_core.errors import Tau2GymError

from tau2_gym_workbench import rendering
from tau2_gym_workbench.figures import RunFigures
from tau2_gym_workbench.index import RunIndex
from tau2_gym_workbench.links import Links
from tau2_gym_workbench.matrix import Cell, one_cell
from tau2_gym_workbench.pages import Reading
from tau2_gym_workbench.text import seconds, shown

POLL_SECONDS = 0.5
MEASURED_SECONDS = 60.0
MOST_CELLS = 2_000  # per event


@dataclass
class Pace:
    """How fast episodes finish, measured over the last minute."""

    points: deque[tuple[float, int]] = field(default_factory=deque)

    def note(self, finished: int) -> None:
        now = time.monotonic()
        self.points.append((now, finished))
        while now - self.points[0][0] > MEASURED_SECONDS:
            self.points.popleft()

    def told(self, figures: RunFigures) -> dict[str, str] | None:
        """Return the rate and the time left, or None if too little has been measured."""
        (begun, before), (now, after) = self.points[0], self.points[-1]
        if now - begun < 1 or after <= before:
            return None
        rate = (after - before) / (now - begun)
        shown_rate = f"{rate:.1f} / s" if rate >= 1 else f"{rate * 60:.1f} / min"
        return {"rate": shown_rate, "left": seconds((figures.slots - figures.finished) / rate)}


async def events(reading: Reading, links: Links, key: str) -> AsyncIterator[str]:
    """Yield an event with new figures and cells whenever the run's files have grown. Ends with the run."""
    pace = Pace()
    known: dict[tuple[int, int], str] = {}
    first = True
    while True:
        try:
            state, event = await run_in_threadpool(_look, reading, links, key, known, pace, first)
        except (Tau2GymError, OSError) as error:
            yield f"event: gone\ndata: {json.dumps(str(error))}\n\n"
            return
        yield f"data: {json.dumps(event)}\n\n" if event else ": nothing new\n\n"
        if state != "running":
            yield "event: ended\ndata: {}\n\n"
            return
        first = False
        await asyncio.sleep(POLL_SECONDS)


def _look(
    reading: Reading, links: Links, key: str, known: dict[tuple[int, int], str], pace: Pace, first: bool
) -> tuple[str, dict[str, Any] | None]:
    index = reading.runs.index(key)
    found = reading.figures(index)
    pace.note(found.finished)
    new = _new_cells(index, known)
    if not new and not first and found.state == "running":
        return found.state, None
    templates = rendering.own()
    groups = reading.details(index).groups
    progress = templates.get_template("workbench/progress.html").render(figures=found, pace=pace.told(found))
    listed = templates.get_template("workbench/groups.html").render(figures=found, groups=groups, links=links, key=key)
    cells = [
        {
            "id": f"c-{task}-{cell.trial}",
            "kind": cell.kind,
            "sign": cell.sign,
            "label": f"trial {cell.trial}: {cell.label}",
            "title": shown(cell.reason or cell.label),
            "href": links.episode(key, task, cell.trial),
        }
        for task, cell in new[-MOST_CELLS:]
    ]
    return found.state, {"progress": progress, "groups": listed, "cells": cells}


def _new_cells(index: RunIndex, known: dict[tuple[int, int], str]) -> list[tuple[int, Cell]]:
    """Return the cells whose outcome has changed since the last call."""
    with index.reading() as connection:
        rows = connection.execute(
            "SELECT e.task, e.trial, g.outcome, g.reward, g.reason FROM episodes e LEFT JOIN grades g"
            " ON g.task = e.task AND g.trial = e.trial"
        ).fetchall()
    new = []
    for row in rows:
        place, outcome = (row["task"], row["trial"]), row["outcome"] or ""
        if known.get(place) != outcome:
            known[place] = outcome
            new.append((row["task"], one_cell(row, row["trial"], chosen=True)))
    return new
