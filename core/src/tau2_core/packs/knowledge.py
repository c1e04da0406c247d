"""Reading a knowledge base: documents as JSON, YAML, or Markdown with front matter."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tau2_core.model.knowledge import Document, KnowledgeBase
from tau2_core.packs.databases import DataError, read_data
from tau2_core.packs.problems import Problems
from tau2_core.packs.source_error import SourceError, SourcePath
from tau2_core.packs.yaml_source import read_yaml
from tau2_core.problem_kinds import ProblemKind
from tau2_core.validation import first_wrong_part

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


def read_knowledge(
    files: Sequence[Path], problems: Problems, read: Callable[[Path], bytes], *, extra: bool = False
) -> KnowledgeBase:
    """Return the documents of files, by ascending id. Invalid ones are noted in `problems` and left out.

    `extra`: ignore unknown keys of a document, as in a dataset.
    """
    found: dict[str, _Read] = {}
    for file in files:
        for document in _documents(file, problems, read, extra=extra):
            if document.id in found:
                what = f"document {document.id!r} exists already: {found[document.id].file}"
                problems.add(file, ProblemKind.DOCUMENT, what, line=1, hint="give one of them another id")
                continue
            found[document.id] = _Read(document, file)
    return KnowledgeBase(tuple(found[name].document for name in sorted(found)))


def _documents(file: Path, problems: Problems, read: Callable[[Path], bytes], *, extra: bool) -> Iterator[Document]:
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
    many = isinstance(value, list)
    for number, entry in enumerate(value if many else [value]):
        try:
            checked = DocumentEntry.model_validate(entry, extra="ignore" if extra else "forbid")
        except ValidationError as error:
            problems.add(
                file,
                ProblemKind.DOCUMENT,
                first_wrong_part(error),
                line=_line(file, (number,) if many else (), error),
                hint=FORM,
            )
            continue
        yield Document(checked.id, checked.title, checked.content)


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


def _line(file: Path, place: SourcePath, error: ValidationError) -> int | None:
    if file.suffix == ".md":
        return 1
    return read_yaml(file).line((*place, *error.errors(include_url=False)[0]["loc"]))
