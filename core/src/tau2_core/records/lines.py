"""Reading each line of a growing file once, by position, without keeping a large run in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tau2_core.errors import RunError

AT_ONCE = 1 << 18  # bytes read at once


@dataclass(frozen=True, slots=True)
class Line:
    """A complete line: its number from 1, its start and end in bytes, without the line feed, and its content."""

    number: int
    start: int
    end: int
    content: bytes


def whole_lines(file: Path, *, start: int = 0, number: int = 0) -> Iterator[Line]:
    """Yield the lines from position `start`, which follows `number` lines; an unfinished last line is left out.

    Raises OSError.
    """
    with file.open("rb", buffering=AT_ONCE) as stream:
        stream.seek(start)
        for content in stream:
            if not content.endswith(b"\n"):
                return
            number += 1
            end = start + len(content)
            yield Line(number, start, end - 1, content[:-1])
            start = end


def line_at(file: Path, start: int, end: int) -> bytes:
    """Return the content of the line at a position. Raises OSError."""
    with file.open("rb") as stream:
        stream.seek(start)
        return stream.read(end - start)


def json_content(file: Path, line: Line) -> Any:
    """Return a line's content. Raises RunError with file and line if it is not JSON."""
    try:
        return json.loads(line.content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise RunError(f"{file}:{line.number}: not JSON: {error}; restore the file, or start a new run") from error
