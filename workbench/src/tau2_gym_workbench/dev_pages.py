"""Author mode: what `check` says of a pack, again whenever one of its files changes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from threading import Lock

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from tau2_core.errors import PackError, Problem
from tau2_core.runs.check import CheckReport, check_domain
from tau2_core.runs.loading import folder_domain

from tau2_gym_workbench.links import Links
from tau2_gym_workbench.pages import Reading

POLL_SECONDS = 0.5
Stamp = tuple[tuple[str, int, int], ...]


class DevPages:
    """The page of a pack that is being written."""

    def __init__(self, reading: Reading, links: Links, folder: Path) -> None:
        self.reading = reading
        self.links = links
        self.folder = folder
        self._stamp: Stamp = ()
        self._report: CheckReport | None = None
        self._lock = Lock()

    def routes(self) -> list[BaseRoute]:
        """Return the addresses."""
        return [Route("/dev", self.show), Route("/dev/events", self.events)]

    def report(self) -> CheckReport:
        """Check the pack as it is now; again only when a file has changed."""
        with self._lock:
            stamp = files_stamp(self.folder)
            if self._report is None or stamp != self._stamp:
                self.read_again()
                self._stamp = stamp
                self._report = self._check()
            return self._report

    def read_again(self) -> None:
        """Forget what was read of the pack, its Python modules too."""
        root = self.folder.resolve()
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if file and root in Path(file).resolve().parents:
                del sys.modules[name]
        self.reading.settings.forget()

    def _check(self) -> CheckReport:
        try:
            name = folder_domain(self.folder).name
            return check_domain(self.reading.settings.catalogue, name)
        except PackError as error:
            return CheckReport(self.folder.name, list(error.problems))

    def changed(self) -> bool:
        """Tell whether a file has changed since the last check."""
        return files_stamp(self.folder) != self._stamp

    def show(self, _request: Request) -> Response:
        report = self.report()
        problems: list[tuple[str, Problem]] = [("problem", each) for each in report.problems]
        problems += [("warning", each) for each in report.warnings]
        page = self.reading.render(
            "dev.html",
            self.links,
            "dev",
            f"Author {report.domain}",
            report=report,
            problems=problems,
            folder=self.folder,
        )
        return HTMLResponse(page)

    async def events(self, _request: Request) -> Response:
        return StreamingResponse(_changes(self.changed), media_type="text/event-stream")

    async def fresh(self, request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        """Read the pack again before a page is made of it, if a file has changed."""
        if not request.url.path.startswith("/static/") and self.changed():
            await run_in_threadpool(self.report)
        return await call_next(request)


async def _changes(changed: Callable[[], bool]) -> AsyncIterator[str]:
    while True:
        if await run_in_threadpool(changed):
            yield "data: changed\n\n"
            return
        yield ": as before\n\n"
        await asyncio.sleep(POLL_SECONDS)


def files_stamp(folder: Path) -> Stamp:
    """Return what changes when a file of a folder does; a file that vanishes meanwhile is left out."""
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
    return tuple(sorted(found))
