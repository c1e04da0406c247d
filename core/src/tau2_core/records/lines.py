"""The lines of a file that grows: read once each, by their place, so that a large run need not be held in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Line:
    """A whole line: its number from 1, where it begins and ends (bytes, without the line feed), and its content."""

    number: int
    start: int
    end: int
    content: bytes


def whole_lines(file: Path, *, start: int = 0, number: int = 0) -> Iterator[Line]:
    """Yield the lines that begin at `start` or later, after `number` lines; one that is not ended yet is left out.

    Raises OSError.
    """
    with file.open("rb") as stream:
        stream.seek(start)
        for content in stream:
            if not content.endswith(b"\n"):
                return
            number += 1
            end = start + len(content)
            yield Line(number, start, end - 1, content[:-1])
            start = end


def line_at(file: Path, start: int, end: int) -> bytes:
    """Return the content of the line at a place. Raises OSError."""
    with file.open("rb") as stream:
        stream.seek(start)
        return stream.read(end - start)
