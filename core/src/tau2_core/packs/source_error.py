"""An error in the text of a YAML, JSON or TOML file, with its line."""

from __future__ import annotations

MAX_DEPTH = 200
_SHOWN = 80
_BEFORE = 50

SourcePath = tuple[str | int, ...]


class SourceError(ValueError):
    """A file that cannot be parsed or is ambiguous; carries the line (from 1) and column (from 0) if known."""

    def __init__(self, message: str, line: int | None = None, column: int = 0) -> None:
        super().__init__(message)
        self.line = line
        self.column = column

    def showing(self, text: str) -> SourceError:
        """Return the same error with an excerpt of its line from the file's `text`."""
        lines = text.split("\n")
        if self.line is None or self.line > len(lines):
            return self
        start = max(0, self.column - _BEFORE) if len(lines[self.line - 1].strip()) > _SHOWN else 0
        rest = lines[self.line - 1][start:].strip()
        shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in rest[:_SHOWN])
        if not shown:
            return self
        cut = f"{'…' if start else ''}{shown}{'…' if len(rest) > _SHOWN else ''}"
        return SourceError(f"{self}: {cut}", self.line, self.column)
