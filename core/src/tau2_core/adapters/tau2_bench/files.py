"""Reading a checkout's files, and remembering which ones were used."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tau2_core.errors import DatasetError
from tau2_core.model.tools import Source
from tau2_core.packs.databases import DataError, read_data

RESTORE = "restore the file from its repository"


@dataclass
class Files:
    """The files of a dataset, each once, in the order of their use."""

    taken: list[Path] = field(default_factory=list)

    def take(self, file: Path) -> Path:
        """Note a file as part of the dataset."""
        if file not in self.taken:
            self.taken.append(file)
        return file

    def read(self, file: Path) -> str:
        """Return a text file's content. Raises DatasetError if it cannot be read."""
        try:
            return self.take(file).read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise DatasetError(f"{file}: not UTF-8 text: {error.reason} at byte {error.start}; {RESTORE}") from error
        except OSError as error:
            raise DatasetError(f"{file}: cannot be read: {error.strerror}") from error

    def read_if_present(self, file: Path) -> str | None:
        """Return a text file's content, or None if there is no such file. Raises DatasetError."""
        return self.read(file) if file.is_file() else None


def read_json(file: Path) -> Any:
    """Parse a JSON file. Raises DatasetError with the line."""
    try:
        return read_data(file)
    except DataError as error:
        raise DatasetError(f"{Source(error.file, error.line)}: {error}; {RESTORE}") from error
