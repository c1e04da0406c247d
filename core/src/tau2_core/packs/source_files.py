"""Reading a pack's files once, so that the digests in a run are those of the loaded content."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tau2_core.packs.yaml_source import Document, read_yaml


class SourceFiles:
    """Reads files, and keeps a digest of the content that was last read from each."""

    def __init__(self) -> None:
        self._digests: dict[Path, str] = {}
        self._handed_over: dict[Path, Document] = {}

    def hand_over(self, document: Document, digest: str) -> None:
        """Take over a document that was read elsewhere; `document` returns it once."""
        self._handed_over[document.file] = document
        self._digests[document.file] = digest

    def document(self, file: Path) -> Document:
        """Return a parsed YAML or JSON file. Raises SourceError, OSError."""
        return self._handed_over.pop(file, None) or read_yaml(file, self.read)

    def read(self, file: Path) -> bytes:
        """Return a file's content. Raises OSError."""
        content = file.read_bytes()
        self._digests[file] = hashlib.sha256(content).hexdigest()
        return content

    def digest(self, file: Path) -> str:
        """Return the digest of the content that was read from a file; reads it first if necessary. Raises OSError."""
        if file not in self._digests:
            self.read(file)
        return self._digests[file]
