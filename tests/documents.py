"""The documents of the repository: their code blocks, and the commands in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
READMES = sorted(
    [*ROOT.glob("core/README.md"), *ROOT.glob("domains/*/README.md"), *ROOT.glob("integrations/*/README.md")]
)
# Names in the documents for data outside the repository, and where they are if available.
OUTSIDE = {
    "../tau2-bench": ROOT.parent / "shared" / "tau2-bench",
    "../recorded-calls": ROOT.parent / "shared" / "conformance" / "calls",
}
# Documents that continue with the files of another one: (document, its folder).
GOES_ON_WITH = {
    "docs/reference/hooks.md": ("docs/tutorial/a-pack-by-hand.md", "bookcase/src/bookcase"),
    "docs/reference/runs.md": ("docs/tutorial/a-pack-by-hand.md", "."),
    "docs/explanation/grading.md": ("docs/tutorial/a-pack-by-hand.md", "."),
}
CODE = {"python", "yaml", "toml", "jinja"}
FILE_COMMENT = re.compile(r"(?:#|\{#) (?P<file>[\w./-]+\.\w+)(?: #\})?$")


@dataclass(frozen=True)
class Block:
    """One fenced block: its info words, the line of its fence, and its content."""

    document: Path
    line: int
    info: tuple[str, ...]
    text: str

    @property
    def language(self) -> str:
        return self.info[0] if self.info else ""

    @property
    def file(self) -> str | None:
        match = FILE_COMMENT.match(self.text.split("\n", 1)[0])
        return match["file"] if match else None

    @property
    def waits(self) -> bool:
        return "later" in self.info or "replace" in self.info

    def write(self, folder: Path) -> None:
        """Add the block to its file, or write the file anew."""
        file = folder / (self.file or "")
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w" if "replace" in self.info else "a", encoding="utf-8") as target:
            target.write(self.text + "\n\n")

    def __str__(self) -> str:
        return f"{name_of(self.document)}:{self.line}"


@dataclass(frozen=True)
class Command:
    """One command of a console block, its documented output, and how it should end."""

    block: Block
    line: str
    shown: str

    @property
    def is_run(self) -> bool:
        return "no-test" not in self.block.info

    @property
    def exit_code(self) -> int:
        return next((int(word.removeprefix("exit=")) for word in self.block.info if word.startswith("exit=")), 0)

    def is_possible(self, installed_domains: frozenset[str]) -> bool:
        """Tell whether the data and domains named in the command are available."""
        absent = {path.name for path in (ROOT / "domains").iterdir()} - installed_domains
        places = [place for name, place in OUTSIDE.items() if name in self.line]
        return all(place.exists() for place in places) and not absent & set(self.line.split())

    def outside(self) -> str:
        """Return the command with the real paths of data outside the repository."""
        line = self.line
        for name, place in OUTSIDE.items():
            line = line.replace(name, str(place))
        return line


def name_of(document: Path) -> str:
    return document.relative_to(ROOT).as_posix()


def blocks(document: Path) -> Iterator[Block]:
    lines = document.read_text(encoding="utf-8").split("\n")
    start: int | None = None
    for number, line in enumerate(lines):
        if line.startswith("```") and start is None:
            start = number
        elif line == "```" and start is not None:
            yield Block(document, start + 1, tuple(lines[start][3:].split()), "\n".join(lines[start + 1 : number]))
            start = None
    assert start is None, f"{name_of(document)}:{(start or 0) + 1}: the fence is never closed"


def commands(document: Path) -> Iterator[Command]:
    for block in blocks(document):
        if block.language == "console":
            yield from commands_of(block)


def commands_of(block: Block) -> Iterator[Command]:
    assert block.text.startswith("$ "), f"{block}: a console block begins with a command"
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        line, _, shown = part.partition("\n")
        yield Command(block, line, shown.strip("\n"))


def write_files(document: Path, folder: Path) -> None:
    """Write the files of a document's blocks, after those of the document that it continues."""
    if name_of(document) in GOES_ON_WITH:
        other, below = GOES_ON_WITH[name_of(document)]
        write_files(ROOT / other, folder / below)
    for block in blocks(document):
        if block.language in CODE and block.file and not block.waits:
            block.write(folder)
