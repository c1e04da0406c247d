"""The pages that compare two runs, and two episodes of one slot."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route
from tau2_core.errors import UsageError

from tau2_gym_workbench.comparison import compare
from tau2_gym_workbench.episodes import WINDOW, StoredEpisode, read_episode, turns
from tau2_gym_workbench.links import Links
from tau2_gym_workbench.pages import Reading, run_name


@dataclass(frozen=True)
class _Side:
    key: str
    name: str
    episode: StoredEpisode | None
    turns: list[Any]
    left: int
    whole: Any
    missing: str = ""


class ComparePages:
    """Two runs beside each other: B against A, the one that was begun first."""

    def __init__(self, reading: Reading, links: Links) -> None:
        self.reading = reading
        self.links = links

    def routes(self) -> list[BaseRoute]:
        """Return the addresses."""
        return [Route("/compare", self.runs), Route("/compare/episodes", self.episodes)]

    def runs(self, request: Request) -> Response:
        keys = request.query_params.getlist("run")
        if len(keys) != 2:
            raise UsageError(f"tick two runs to compare them, not {len(keys)}")
        order = {run.key: run.begun for run in self.reading.runs.found()}
        keys.sort(key=lambda key: order.get(key, 0.0))
        indexes = [self.reading.runs.index(key) for key in keys]
        names = [run_name(index, key) for index, key in zip(indexes, keys, strict=True)]
        found = compare(*indexes, ignore=request.query_params.getlist("ignore"))
        title = f"{names[0]} and {names[1]}"
        page = self.reading.render("compare.html", self.links, "compare", title, names=names, keys=keys, found=found)
        return HTMLResponse(page)

    def episodes(self, request: Request) -> Response:
        query = request.query_params
        numbers = [query.get(name, "") for name in ("task", "other", "trial")]
        if not all(text.isascii() and text.isdigit() and len(text) < 9 for text in numbers):
            raise UsageError("name two runs, the numbers of a task in both, and a trial")
        task, other, trial = map(int, numbers)
        keys = [query.get("a", ""), query.get("b", "")]
        sides = [self._side(key, number, trial) for key, number in zip(keys, (task, other), strict=True)]
        first = next((side.episode for side in sides if side.episode), None)
        page = self.reading.render(
            "side_by_side.html",
            self.links,
            "compare",
            "Two episodes",
            names=[side.name for side in sides],
            keys=keys,
            task_id=first.task_id if first else "",
            trial=trial,
            sides=sides,
        )
        return HTMLResponse(page)

    def _side(self, key: str, task: int, trial: int) -> _Side:
        index = self.reading.runs.index(key)
        whole = partial(self.links.message, key, task, trial)
        name = run_name(index, key)
        try:
            episode = read_episode(index, key, task, trial)
        except UsageError as error:
            return _Side(key, name, None, [], 0, whole, str(error))
        every = list(turns(episode.record.messages))
        return _Side(key, name, episode, every[:WINDOW], max(0, len(every) - WINDOW), whole)
