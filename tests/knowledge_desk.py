"""The pack of docs/how-to/knowledge.md, with a knowledge base and a hidden tool."""

from __future__ import annotations

from pathlib import Path

from tests.bakery import forget_packs
from tests.documents import ROOT, write_files

RESET = "reset_printer_17"
DOCUMENTS, SEARCH, MANIFEST = "data/documents.yaml", "tools/search.yaml", "domain.yaml"


def knowledge_desk(folder: Path) -> Path:
    """Write the pack of the page below a folder, and return its own folder."""
    forget_packs()
    write_files(ROOT / "docs" / "how-to" / "knowledge.md", folder)
    return folder / "desk"


def change(file: Path, old: str, new: str) -> None:
    """Replace a text in a file, which must contain it."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
