"""The pages that compare two runs, or the two episodes of one slot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route
from tau2_core.errors import UsageError

from tau2_gym_workbench.comparison import Compared, compare
from tau2_gym_workbench.episodes import WINDOW, StoredEpisode, read_episode
from tau2_gym_workbench.links import Links
from tau2_gym_workbench.pages import PageSource, run_name

PAIRS = 500  # the most flipped tasks that one page shows


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
    """Render comparisons of two runs, B against A, for a server or an export."""

    def __init__(self, source: PageSource) -> None:
        self.source = source

    def runs(self, links: Links, keys: Sequence[str], ignore: Sequence[str] = ()) -> str:
        """Render the comparison of two runs. Raises UsageError, RunError."""
        found = self.compared(keys, ignore)
        names = [run_name(self.source.runs.index(key), key) for key in keys]
        title = f"{names[0]} and {names[1]}"
        return self.source.render(
            "compare.html", links, "compare", title, names=names, keys=keys, found=found, most=PAIRS
        )

    def compared(self, keys: Sequence[str], ignore: Sequence[str] = ()) -> Compared:
        """Compare two runs."""
        a, b = (self.source.runs.index(key) for key in keys)
        return compare(a, b, ignore=list(ignore))

    def episodes(self, links: Links, keys: Sequence[str], task: int, other: int, trial: int) -> str:
        """Render two episodes of one slot; the task has the number `other` in run B. Raises UsageError, RunError."""
        sides = [self._side(links, key, number, trial) for key, number in zip(keys, (task, other), strict=True)]
        first = next((side.episode for side in sides if side.episode), None)
        return self.source.render(
            "side_by_side.html",
            links,
            "compare",
            "Two episodes",
            names=[side.name for side in sides],
            keys=keys,
            task_id=first.task_id if first else "",
            trial=trial,
            sides=sides,
        )

    def _side(self, links: Links, key: str, task: int, trial: int) -> _Side:
        index = self.source.runs.index(key)
        whole = partial(links.message, key, task, trial)
        name = run_name(index, key)
        try:
            episode = read_episode(index, key, task, trial)
        except UsageError as error:
            return _Side(key, name, None, [], 0, whole, str(error))
        every = episode.turns
        return _Side(key, name, episode, every[:WINDOW], max(0, len(every) - WINDOW), whole)


class CompareRoutes:
    """The server's routes to these pages."""

    def __init__(self, pages: ComparePages, links: Links) -> None:
        self.pages = pages
        self.links = links

    def routes(self) -> list[BaseRoute]:
        """Return the routes."""
        return [Route("/compare", self.runs), Route("/compare/episodes", self.episodes)]

    def runs(self, request: Request) -> Response:
        keys = request.query_params.getlist("run")
        if len(keys) != 2:
            raise UsageError(f"select two runs to compare, not {len(keys)}")
        order = {run.key: run.begun for run in self.pages.source.runs.found()}
        keys.sort(key=lambda key: order.get(key, 0.0))  # A is the run that started first
        return HTMLResponse(self.pages.runs(self.links, keys, request.query_params.getlist("ignore")))

    def episodes(self, request: Request) -> Response:
        query = request.query_params
        numbers = [query.get(name, "") for name in ("task", "other", "trial")]
        if not all(text.isascii() and text.isdigit() and len(text) < 9 for text in numbers):
            raise UsageError("the URL must have a, b (runs), task, other (the task's numbers in them) and trial")
        task, other, trial = map(int, numbers)
        return HTMLResponse(
            self.pages.episodes(self.links, [query.get("a", ""), query.get("b", "")], task, other, trial)
        )
