"""A knowledge base, and the interface of its retrievers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

from tau2_core.model.llm import Model, ModelRole, ModelSettings


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


@dataclass(frozen=True)
class SearchContext:
    """The parts of an episode that a search may use: models by role, and objects kept until the episode's end.

    `kept` holds objects by names that a retriever chooses; `closing` closes them with the episode.
    """

    models: Mapping[ModelRole, Model] = field(default_factory=dict)
    kept: dict[Any, Any] = field(default_factory=dict)
    closing: ExitStack = field(default_factory=ExitStack)


@runtime_checkable
class AwaitedRetriever(Protocol):
    """A retriever that waits for a model or for another program.

    `models` are those that it asks, by role. A run opens them with its limits, and counts and records their answers.
    """

    models: Mapping[ModelRole, ModelSettings]

    async def find(self, query: Any, context: SearchContext) -> Sequence[Hit] | str:
        """Return the hits, best first, or the text of the result.

        Raises ToolError for a query that it refuses, TypeError for one that is not text, and ModelError, which ends the
        episode with an infrastructure error.
        """

    async def prepare(self, context: SearchContext) -> None:
        """Do work that is needed once per process, outside the time of any episode. Raises ModelError."""

    def shows_machine(self, query: Any) -> bool:
        """Tell whether the result depends on the machine, so that results of two machines cannot be compared."""

    def nothing_found(self, query: Any) -> str:
        """Return the text of a result without hits."""
