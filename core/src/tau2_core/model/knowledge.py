"""A knowledge base, and what retrievers find in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Document:
    """One document. Only the content is searched; id and title are shown."""

    id: str
    title: str
    content: str


@dataclass(frozen=True, eq=False)
class KnowledgeBase:
    """Documents by ascending id. It never changes, and all episodes of a process share it."""

    documents: tuple[Document, ...]

    @cached_property
    def by_name(self) -> dict[str, Document]:
        """The documents by id and by title.

        A title takes precedence over an id, and a later document over an earlier one.
        """
        return {each.id: each for each in self.documents} | {each.title: each for each in self.documents}


@dataclass(frozen=True, slots=True)
class Hit:
    """A search result: a document and its score."""

    document: Document
    score: float


class Retriever(Protocol):
    """Searches a knowledge base. The same query always gives the same answer."""

    def search(self, query: Any) -> Sequence[Hit]:
        """Return the hits, best first.

        Raises ToolError for a query that it refuses, TypeError for one that is not text.
        """

    def nothing_found(self, query: Any) -> str:
        """Return the text of a result without hits."""
