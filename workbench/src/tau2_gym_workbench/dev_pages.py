"""Author mode: the problems that `check` finds in a pack, updated whenever one of its files changes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from threading import Lock

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from tau2_core.errors import PackError, Problem
from tau2_core.packs.folder_domain import folder_domain
from tau2_core.runs.check import CheckReport, check_domain

from tau2_gym_workbench.links import Links
from tau2_gym_workbench.pages import PageSource

POLL_SECONDS = 0.5


class DevPages:
    """The page of the pack in author mode."""

    def __init__(self, source: PageSource, links: Links, folder: Path) -> None:
        self.source = source
        self.links = links
        self.folder = folder
        self._checked: tuple[str, CheckReport] | None = None  # the state of the files, and the report of `check` for it
        self._lock = Lock()

    def routes(self) -> list[BaseRoute]:
        """Return the routes."""
        return [Route("/dev", self.show), Route("/dev/events", self.events)]

    def checked(self) -> tuple[str, CheckReport]:
        """Check the pack if a file has changed since the last check; return the state of its files and the report."""
        with self._lock:
            state = files_state(self.folder)
            if self._checked is None or state != self._checked[0]:
                self.read_again()
                self._checked = state, self._check()
            return self._checked

    def read_again(self) -> None:
        """Drop everything that was loaded from the pack, including its Python modules."""
        root = self.folder.resolve()
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if file and root in Path(file).resolve().parents:
                del sys.modules[name]
        self.source.settings.forget()

    def _check(self) -> CheckReport:
        try:
            name = folder_domain(self.folder).name
            return check_domain(self.source.settings.catalogue, name)
        except PackError as error:
            return CheckReport(self.folder.name, list(error.problems))

    def show(self, _request: Request) -> Response:
        state, report = self.checked()
        problems: list[tuple[str, Problem]] = [("problem", each) for each in report.problems]
        problems += [("warning", each) for each in report.warnings]
        page = self.source.render(
            "dev.html",
            self.links,
            "dev",
            f"Author {report.domain}",
            report=report,
            problems=problems,
            folder=self.folder,
            state=state,
        )
        return HTMLResponse(page)

    async def events(self, request: Request) -> Response:
        """Send an event when the files are no longer those the page shows, even if another page has checked them."""
        seen = request.query_params.get("seen")
        return StreamingResponse(_changes(lambda: files_state(self.folder) != seen), media_type="text/event-stream")

    async def fresh(self, request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        """Reload the pack before a page is rendered, if a file has changed."""
        if not request.url.path.startswith("/static/"):
            await run_in_threadpool(self.checked)
        return await call_next(request)


async def _changes(changed: Callable[[], bool]) -> AsyncIterator[str]:
    while True:
        if await run_in_threadpool(changed):
            yield "data: changed\n\n"
            return
        yield ": as before\n\n"
        await asyncio.sleep(POLL_SECONDS)


def files_state(folder: Path) -> str:
    """Return a string that changes when a file of the folder does. Files deleted during the scan are skipped."""
    found = []
    for file in folder.rglob("*"):
        if file.suffix == ".pyc" or "__pycache__" in file.parts:
            continue
        try:
            told = file.stat()
        except OSError:
            continue
        if not file.is_dir():
            found.append((str(file), told.st_mtime_ns, told.st_size))
    return sha256(repr(sorted(found)).encode("utf-8", "surrogateescape")).hexdigest()
