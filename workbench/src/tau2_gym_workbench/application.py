"""The web application: its routes, and the pages for errors."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from tau2_core.errors import Tau2GymError, UsageError
from tau2_core.terminal_text import printable

from tau2_gym_workbench.access import Access
from tau2_gym_workbench.compare_pages import ComparePages, CompareRoutes
from tau2_gym_workbench.dev_pages import DevPages
from tau2_gym_workbench.domain_pages import DomainPages, DomainRoutes
from tau2_gym_workbench.episodes import read_episode
from tau2_gym_workbench.folder import Runs
from tau2_gym_workbench.label_pages import LabelPages, annotator_of
from tau2_gym_workbench.links import Links
from tau2_gym_workbench.live import LiveRuns
from tau2_gym_workbench.pages import PageSource
from tau2_gym_workbench.panels import Panels
from tau2_gym_workbench.play_pages import PlayPages
from tau2_gym_workbench.settings import Settings

log = logging.getLogger(__name__)
LINKS = Links()
STATIC = Path(__file__).parent / "static"


def open_page_source(folder: Path, settings: Settings, *, authors: bool = False) -> PageSource:
    """Return the source of the pages for a folder of runs. Raises UsageError, PackError.

    `authors`: the pages are in author mode, which adds a page about the pack.
    """
    return PageSource(Runs(folder), settings, Panels(settings.catalogue.pages()), authors)


class ReadOnlyPages:
    """The read-only pages."""

    def __init__(self, source: PageSource) -> None:
        self.source = source
        self.live = LiveRuns(source, LINKS)

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes."""
        return [
            Route("/", self.runs),
            Route("/runs/{key}", self.run),
            Route("/runs/{key}/events", self.events),
            Route("/runs/{key}/{task:int}/{trial:int}", self.episode),
            Route("/runs/{key}/{task:int}/{trial:int}/messages/{number:int}", self.message),
            Route("/pages/{name}", self.page),
        ]

    def runs(self, request: Request) -> Response:
        return HTMLResponse(self.source.runs_page(LINKS, request.query_params))

    def run(self, request: Request) -> Response:
        return HTMLResponse(self.source.run_page(LINKS, request.path_params["key"], request.query_params))

    def episode(self, request: Request) -> Response:
        start = request.query_params.get("from", "")
        number = int(start) if start.isascii() and start.isdigit() and len(start) < 9 else 0
        place = request.path_params
        page = self.source.episode_page(
            LINKS,
            place["key"],
            place["task"],
            place["trial"],
            number,
            annotator=annotator_of(request),
            blind="blind" in request.query_params,
        )
        return HTMLResponse(page)

    def message(self, request: Request) -> Response:
        place = request.path_params
        index = self.source.runs.index(place["key"])
        messages = read_episode(index, place["key"], place["task"], place["trial"]).record.messages
        if place["number"] >= len(messages):
            raise UsageError(f"there is no message {place['number']}: the episode has {len(messages)}, counted from 0")
        return PlainTextResponse(message_text(messages[place["number"]]))

    async def events(self, request: Request) -> Response:
        told = request.query_params.get("tasks", "").split(",")
        tasks = {int(number) for number in told if number.isascii() and number.isdigit() and len(number) < 9}
        stream = self.live.events(request.path_params["key"], tasks)
        return StreamingResponse(stream, media_type="text/event-stream")

    def page(self, request: Request) -> Response:
        return HTMLResponse(self.source.plugin_page(LINKS, request.path_params["name"]))


def message_text(message: Any) -> str:
    """Return a whole message: its text, then its calls."""
    calls = getattr(message, "tool_calls", None) or []
    return "\n\n".join(
        printable(part) for part in [message.content or "", *(each.model_dump_json(indent=2) for each in calls)]
    )


def application(source: PageSource, host: str, token: str | None, pack: Path | None = None) -> Access:
    """Return the ASGI application. `pack`: the pack's folder, which turns on author mode."""

    def problem(request: Request, error: Exception) -> Response:
        status, title = _status_and_title(error)
        if status == 500:
            log.error("%s failed", request.url.path, exc_info=error)
        page = source.render("problem.html", LINKS, "", title, message=str(getattr(error, "detail", error)))
        return HTMLResponse(page, status)

    play = PlayPages(source, LINKS, pack)
    author = DevPages(source, LINKS, pack) if pack is not None else None
    routes = [
        Mount("/static", StaticFiles(directory=STATIC)),
        *ReadOnlyPages(source).routes(),
        *CompareRoutes(ComparePages(source), LINKS).routes(),
        *LabelPages(source, LINKS).routes(),
        *DomainRoutes(DomainPages(source), LINKS).routes(),
        *play.routes(),
        *(author.routes() if author else ()),
    ]

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await play.plays.close_all()

    handlers: Any = {Tau2GymError: problem, HTTPException: problem, OSError: problem, Exception: problem}
    watching = [Middleware(BaseHTTPMiddleware, dispatch=author.fresh)] if author else []
    app = Starlette(routes=routes, exception_handlers=handlers, middleware=watching, lifespan=lifespan)
    return Access(app, host, token)


def _status_and_title(error: Exception) -> tuple[int, str]:
    """Return the HTTP status and the title of an error page."""
    if isinstance(error, HTTPException):
        return error.status_code, "Page not found" if error.status_code == 404 else "This cannot be done"
    if isinstance(error, UsageError):
        return 404, "Not found"
    if isinstance(error, Tau2GymError):
        return 409, "This cannot be shown"
    if isinstance(error, OSError):
        return 409, "A file could not be read"
    return 500, "The workbench failed"
