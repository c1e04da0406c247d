"""What is wrong with the text of a YAML, JSON or TOML file, with the line and what it reads."""

from __future__ import annotations

MAX_DEPTH = 200
_SHOWN = 80

SourcePath = tuple[str | int, ...]


class SourceError(ValueError):
    """A file that cannot be parsed, or is ambiguous; carries the line where that shows."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line

    def showing(self, text: str) -> SourceError:
        """Return the same error with what its line reads in the file's `text`."""
        lines = text.split("\n")
        if self.line is None or self.line > len(lines):
            return self
        shown = "".join(
            letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in lines[self.line - 1].strip()
        )
        if not shown:
            return self
        cut = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
        return SourceError(f"{self}: {cut}", self.line)
