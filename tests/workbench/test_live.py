"""Runs in progress: pages are updated for many viewers at once, one of whom never reads."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.workbench.conftest import assert_accessible, serving

pytestmark = pytest.mark.domain("mock")
Open = Callable[..., Any]
VIEWERS = 100


class Written:
    """A run that the test writes bit by bit, as another process would."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        for name in ("run.json", "tasks.jsonl"):
            shutil.copy(source / name, folder / name)
        names = ("episodes.jsonl", "grades.jsonl")
        self._lines = {name: (source / name).read_text().splitlines(keepends=True) for name in names}
        self.total = len(self._lines["grades.jsonl"])

    def add(self, numbers: range) -> None:
        for name, every in self._lines.items():
            with (self.folder / name).open("a") as file:
                file.writelines(every[number] for number in numbers)


@pytest.fixture
def run(runs: Path, tmp_path: Path) -> Written:
    written = Written(runs / "random", tmp_path / "live" / "run")
    written.add(range(2))
    return written


def test_the_page_of_a_run_in_progress_is_updated(run: Written, open_page: Open) -> None:
    with serving("view", run.folder.parent) as address:
        page = open_page(f"{address}runs/run")
        assert page.locator(".title .state").inner_text() == "running"
        assert_accessible(page)
        page.locator("a.cell:not(.legend .cell)").nth(1).wait_for()
        run.add(range(2, 5))
        page.locator("table.matrix a.cell").nth(4).wait_for()
        assert f"5 of {run.total}" in page.locator("#live").inner_text()
        run.add(range(5, run.total))
        page.locator(".title .state.complete").wait_for()
        assert page.locator("table.matrix a.cell").count() == run.total


def test_viewers_share_updates_and_do_not_wait_for_a_slow_one(run: Written) -> None:
    with ExitStack() as stack, serving("view", run.folder.parent) as address:
        page = httpx.get(f"{address}runs/run").text
        path = page.partition('data-events="')[2].partition('"')[0]
        idle = stack.enter_context(connected(address, path))  # this viewer never reads
        viewers = [stack.enter_context(connected(address, path)) for _ in range(VIEWERS)]
        told = [said(viewer) for viewer in viewers]
        seen: list[set[str]] = [{cell["id"] for cell in next(each)["cells"]} for each in told]
        for number in range(2, run.total - 1):
            run.add(range(number, number + 1))
            for viewer in (0, -1):
                while len(seen[viewer]) <= number:
                    seen[viewer] |= {cell["id"] for cell in next(told[viewer])["cells"]}
        assert httpx.get(f"{address}runs/run").status_code == 200
        run.add(range(run.total - 1, run.total))
        for ids, events in zip(seen, told, strict=True):
            ids.update(cell["id"] for event in events for cell in event["cells"])
        assert [len(ids) for ids in seen] == [run.total] * VIEWERS
        assert len({cell["id"] for event in said(idle) for cell in event["cells"]}) == run.total


def test_a_viewer_gets_only_the_cells_of_its_page(run: Written) -> None:
    with serving("view", run.folder.parent) as address, connected(address, "/runs/run/events?tasks=0") as viewer:
        told = said(viewer)
        next(told)
        run.add(range(2, run.total))
        ids = {cell["id"] for event in told for cell in event["cells"]}
        assert ids <= {"c-0-0", "c-0-1"}


def test_viewers_are_notified_when_a_run_is_deleted(run: Written) -> None:
    with serving("view", run.folder.parent) as address, connected(address, "/runs/run/events") as viewer:
        told = said(viewer)
        next(told)
        shutil.rmtree(run.folder)
        assert list(told) == []
        with connected(address, "/runs/run/events") as another:
            assert list(said(another)) == []


def connected(address: str, path: str) -> socket.socket:
    """Request events through a connection that buffers little unread data."""
    place = urlsplit(address)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(60)
    client.connect((place.hostname, place.port))
    client.sendall(f"GET {path.replace('&amp;', '&')} HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode())
    return client


def said(client: socket.socket) -> Iterator[dict[str, Any]]:
    """Yield the events of a run until one says that it has ended or was deleted."""
    with client.makefile("r", encoding="utf-8") as stream:
        for line in stream:
            if line.startswith("event: "):
                assert line.strip() in ("event: ended", "event: gone")
                return
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))
