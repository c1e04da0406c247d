"""Reading files of JSON lines, compressed or not."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

UNREADABLE = (OSError, EOFError, UnicodeDecodeError, zlib.error)


def numbered_lines(file: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number, text) of the lines of a .jsonl or .jsonl.gz file that are not blank.

    Raises one of `UNREADABLE`.
    """
    with (
        gzip.open(file, "rt", encoding="utf-8-sig", newline="\n")
        if file.suffix == ".gz"
        else file.open(encoding="utf-8-sig", newline="\n") as lines
    ):
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, line
