"""Reading a knowledge base: documents as JSON, YAML, or Markdown with front matter."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tau2_core.model.knowledge import Document, KnowledgeBase
from tau2_core.model.tools import Source
from tau2_core.packs.databases import DataError, read_data
from tau2_core.packs.problems import Problems
from tau2_core.packs.source_error import SourceError, SourcePath
from tau2_core.packs.yaml_source import read_yaml
from tau2_core.problem_kinds import ProblemKind
from tau2_core.validation_errors import first_wrong_part

SUFFIXES = (".json", ".yaml", ".yml", ".md")
FORM = "a document is an object with `id`, `title` and `content`; in Markdown the first two stand between `---` lines"
_FRONT = re.compile(r"---[ \t]*\r?\n(.*?)^---[ \t]*\r?$\n?", re.DOTALL | re.MULTILINE)


class DocumentEntry(BaseModel):
    """A document as a file holds it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str = Field(min_length=1, description="Its id, unique in the knowledge base.")
    title: str = Field(min_length=1, description="Its title, which is shown with it, but not searched.")
    content: str = Field(min_length=1, description="The text that is searched.")


@dataclass(frozen=True)
class _Read:
    document: Document
    file: Path
    place: SourcePath

    @property
    def line(self) -> int | None:
        return _line(self.file, (*self.place, "id"))


def read_knowledge(
    files: Sequence[Path], problems: Problems, read: Callable[[Path], bytes], *, extra: bool = False
) -> KnowledgeBase:
    """Return the documents of files, by ascending id. Invalid ones are noted in `problems` and left out.

    `extra`: ignore unknown keys of a document, as in a dataset.
    """
    found: dict[str, _Read] = {}
    for file in files:
        for each in _documents(file, problems, read, extra=extra):
            first = found.setdefault(each.document.id, each)
            if first is not each:
                what = f"document {each.document.id!r} exists already: {Source(first.file, first.line)}"
                problems.add(file, ProblemKind.DOCUMENT, what, line=each.line, hint="give one of them another id")
    return KnowledgeBase(tuple(found[name].document for name in sorted(found)))


def _documents(file: Path, problems: Problems, read: Callable[[Path], bytes], *, extra: bool) -> Iterator[_Read]:
    try:
        value = _markdown(file, read) if file.suffix == ".md" else read_data(file, read)
    except DataError as error:
        problems.add(error.file, ProblemKind.DOCUMENT, str(error), line=error.line, hint="correct the file")
        return
    except SourceError as error:
        problems.add(file, ProblemKind.DOCUMENT, f"its front matter: {error}", line=error.line, hint=FORM)
        return
    except (OSError, ValueError, RecursionError) as error:
        problems.add(file, ProblemKind.DOCUMENT, f"cannot be read: {error}", line=1, hint=FORM)
        return
    if value is None or value == []:
        problems.add(file, ProblemKind.DOCUMENT, "contains no document", line=1, hint=f"add one, or remove it; {FORM}")
        return
    many = isinstance(value, list)
    for number, entry in enumerate(value if many else [value]):
        place: SourcePath = (number,) if many else ()
        try:
            checked = DocumentEntry.model_validate(entry, extra="ignore" if extra else "forbid")
        except ValidationError as error:
            line = _line(file, (*place, *error.errors(include_url=False)[0]["loc"]))
            problems.add(file, ProblemKind.DOCUMENT, first_wrong_part(error), line=line, hint=FORM)
            continue
        yield _Read(Document(checked.id, checked.title, checked.content), file, place)


def _markdown(file: Path, read: Callable[[Path], bytes]) -> Any:
    """Return the front matter of a Markdown file as an object, with the rest as `content`. Raises ValueError."""
    text = read(file).decode("utf-8-sig")
    front = _FRONT.match(text)
    if front is None:
        raise ValueError("a Markdown document begins with `---`, its id and title, and `---`")
    head = read_yaml(file, lambda _file: front[1].encode())
    for repeat in head.repeats:
        raise repeat
    if not isinstance(head.value, dict):
        raise ValueError("its front matter should have the keys `id` and `title`")
    return {**head.value, "content": text[front.end() :].strip("\n")}


def _line(file: Path, place: SourcePath) -> int | None:
    return 1 if file.suffix == ".md" else read_yaml(file).line(place)
