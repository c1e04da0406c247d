"""Tools that a retriever answers, bound to the documents and the options of a setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tau2_core.errors import PluginError, UsageError
from tau2_core.foreign import describe_error, foreign
from tau2_core.model.knowledge import Hit, KnowledgeBase, Retriever
from tau2_core.model.registrations import RetrieverSpec, loaded
from tau2_core.model.tools import Tool


class Searching:
    """The handler of a tool with a retriever.

    The tool's first parameter is the query. A second one, if declared, cuts the list of hits like the end of a slice.
    """

    def __init__(self, tool: Tool, retriever: Retriever) -> None:
        properties = tool.parameters["properties"]
        self._query, *others = properties
        self._cut = others[0] if others else None
        self._default = properties[self._cut].get("default") if self._cut else None
        self._known = frozenset(properties)
        self._retriever = retriever
        self.__name__ = tool.name

    def find(self, query: str) -> Sequence[Hit]:
        """Return the hits for a query, as the tool shows them if it is called with the query alone."""
        hits = self._retriever.search(query)
        return hits if self._cut is None else hits[: self._default]

    def __call__(self, db: Any, /, **arguments: Any) -> str:  # noqa: ARG002 - a handler's first parameter
        if self._query not in arguments:
            raise TypeError(f"{self.__name__}() lacks the argument {self._query!r}")
        if unknown := arguments.keys() - self._known:
            raise TypeError(f"{self.__name__}() has no argument {min(unknown)!r}")
        query = arguments[self._query]
        hits = self._retriever.search(query)
        if self._cut is not None:
            hits = hits[: arguments.get(self._cut, self._default)]
        return hits_text(hits) if hits else self._retriever.nothing_found(query)


def hits_text(hits: Sequence[Hit]) -> str:
    """Return hits as a tool's result, in the official form."""
    return "\n".join(
        f"{place}. {hit.document.title}\n   ID: {hit.document.id}\n   Score: {hit.score:.4f}\n"
        f"   Content: {hit.document.content}\n"
        for place, hit in enumerate(hits, 1)
    )


def bind_search(
    tool: Tool, specs: Mapping[str, RetrieverSpec], knowledge: KnowledgeBase, options: Mapping[str, Any]
) -> Tool:
    """Return a tool with its retriever as the handler. Raises UsageError if the retriever refuses its options.

    `options` are the variant's, to which `$NAME` refers.
    """
    if tool.search is None:
        return tool
    spec = specs[tool.search.retriever]
    own = {
        name: options[value[1:]] if isinstance(value, str) and value.startswith("$") else value
        for name, value in tool.search.options.items()
    }
    try:
        with foreign():
            retriever = loaded(spec.create)(knowledge, own)
    except UsageError as error:
        raise UsageError(f"{tool.source}: {tool.name}: {error}") from error
    except Exception as error:
        why = describe_error(error)
        raise PluginError(f"{tool.source}: {tool.name}: retriever {spec.name!r} cannot be created: {why}") from error
    return replace(tool, handler=Searching(tool, retriever))
