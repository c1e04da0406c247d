"""Progress bars for long work, on standard error and only on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tau2_core.cli.safe_text import safe

if TYPE_CHECKING:
    from rich.progress import Progress


class Bar:
    """A bar with the number of finished parts and, if the total is known, the estimated time left."""

    def __init__(self, shown: Progress | None, title: str, total: int | None) -> None:
        self._shown = shown
        self._task = shown.add_task(safe(title), total=total) if shown is not None else None

    def begin_at(self, finished: int) -> None:
        """Count parts that were finished before; they do not affect the estimate."""
        if self._shown is not None and self._task is not None:
            self._shown.reset(self._task, completed=finished)

    def advance(self) -> None:
        """Count one more finished part."""
        if self._shown is not None and self._task is not None:
            self._shown.advance(self._task)


@contextmanager
def progress(title: str, total: int | None, *, quiet: bool = False) -> Iterator[Bar]:
    """Show a bar during the block."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield Bar(None, title, total)
        return
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    if total is not None:
        columns += [TextColumn("left:"), TimeRemainingColumn()]
    with Progress(*columns, console=console, transient=True) as shown:
        yield Bar(shown, title, total)
