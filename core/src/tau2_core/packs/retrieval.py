"""Tools answered by a retriever, bound to the documents and the options of a setting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NoReturn, TypeVar

from tau2_core.errors import PluginError, ToolError, UsageError
from tau2_core.foreign_code import describe_error, foreign
from tau2_core.model.knowledge import AwaitedRetriever, Hit, KnowledgeBase, Retriever, SearchContext
from tau2_core.model.lazy import loaded
from tau2_core.model.llm import OWN_DOING, ModelError
from tau2_core.model.registrations import RetrieverSpec, SearchParts
from tau2_core.model.tools import Handler, Tool

T = TypeVar("T")


class _Search:
    """Base of the handlers of tools with a retriever: they read the query and the cut.

    The tool's first parameter is the query. A second one, if declared, cuts the list of hits like the end of a slice.
    """

    def __init__(self, tool: Tool) -> None:
        properties = tool.parameters["properties"]
        self._query, *others = properties
        self._cut = others[0] if others else None
        self._default = properties[self._cut].get("default") if self._cut else None
        self._known = frozenset(properties)
        self.__name__ = tool.name

    def query(self, arguments: Mapping[str, Any]) -> Any:
        """Return the query among a call's arguments. Raises TypeError for arguments that the tool does not have."""
        if self._query not in arguments:
            raise TypeError(f"{self.__name__}() lacks the argument {self._query!r}")
        if unknown := arguments.keys() - self._known:
            raise TypeError(f"{self.__name__}() has no argument {min(unknown)!r}")
        return arguments[self._query]

    def cut(self, hits: Sequence[Hit], arguments: Mapping[str, Any]) -> Sequence[Hit]:
        """Return the hits that a call with these arguments shows. Raises TypeError for a cut that is not a number."""
        return hits if self._cut is None else hits[: arguments.get(self._cut, self._default)]


class Searching(_Search):
    """The handler of a tool with a retriever that answers at once."""

    def __init__(self, tool: Tool, retriever: Retriever) -> None:
        super().__init__(tool)
        self._retriever = retriever

    def find(self, query: str) -> Sequence[Hit]:
        """Return the hits of a query, as the tool shows them if it is called with the query alone."""
        return self.cut(self._retriever.search(query), {})

    def __call__(self, db: Any, /, **arguments: Any) -> str:  # noqa: ARG002 - a handler's first parameter
        query = self.query(arguments)
        hits = self.cut(self._retriever.search(query), arguments)
        return hits_text(hits) if hits else self._retriever.nothing_found(query)


class AwaitedSearching(_Search):
    """Placeholder handler of a tool with an awaited retriever; the caller awaits `answer` first."""

    def __init__(self, tool: Tool, retriever: AwaitedRetriever) -> None:
        super().__init__(tool)
        self.retriever = retriever

    async def answer(self, arguments: Mapping[str, Any], context: SearchContext) -> Handler:
        """Search, and return a handler with the result or the failure.

        Raises ModelError if a model cannot be reached, which is not a failed call of the agent.
        """
        try:
            with foreign():
                text = await self._text(arguments, context)
        except ModelError as error:
            if error.kind not in OWN_DOING:
                raise
            return _returning(_raise, ToolError(f"the query cannot be searched for: {error.message}"))
        except Exception as error:  # noqa: BLE001 - a retriever may raise anything; it becomes the call's result
            return _returning(_raise, error)
        return _returning(str, text)

    def shows_machine(self, arguments: Mapping[str, Any]) -> bool:
        """Tell whether the result depends on the machine, such as that of a command that lists its folders."""
        return self.retriever.shows_machine(arguments.get(self._query))

    async def _text(self, arguments: Mapping[str, Any], context: SearchContext) -> str:
        query = self.query(arguments)
        found = await self.retriever.find(query, context)
        if isinstance(found, str):
            return found
        hits = self.cut(found, arguments)
        return hits_text(hits) if hits else self.retriever.nothing_found(query)

    def __call__(self, db: Any, /, **_arguments: Any) -> str:  # noqa: ARG002 - a handler's first parameter
        raise ToolError(f"{self.__name__} waits for a model or another program, so it can only be called in an episode")


def _returning(produce: Callable[[T], str], value: T) -> Handler:
    """Return a handler that returns `produce(value)`, whatever its arguments."""

    def handler(db: Any, /, **_arguments: Any) -> str:  # noqa: ARG001 - a handler's first parameter
        return produce(value)

    return handler


def _raise(error: Exception) -> NoReturn:
    raise error


def hits_text(hits: Sequence[Hit]) -> str:
    """Return hits as a tool's result, in the official form."""
    return "\n".join(
        f"{place}. {hit.document.title}\n   ID: {hit.document.id}\n   Score: {hit.score:.4f}\n"
        f"   Content: {hit.document.content}\n"
        for place, hit in enumerate(hits, 1)
    )


def bind_search(tool: Tool, parts: SearchParts, knowledge: KnowledgeBase, options: Mapping[str, Any]) -> Tool:
    """Return a tool with its retriever as the handler. Raises UsageError if the retriever refuses its options.

    `options` are the variant's, to which `$NAME` refers. A tool is quick only if its retriever is.
    """
    if tool.search is None:
        return tool
    spec = parts.retrievers[tool.search.retriever]
    own = {
        name: options[value[1:]] if isinstance(value, str) and value.startswith("$") else value
        for name, value in tool.search.options.items()
    }
    try:
        with foreign():
            retriever = create_retriever(spec, knowledge, own, parts)
    except UsageError as error:
        error.args = (f"{tool.source}: {tool.name}: {error}",)
        raise
    except Exception as error:
        why = describe_error(error)
        raise PluginError(f"{tool.source}: {tool.name}: retriever {spec.name!r} cannot be created: {why}") from error
    if isinstance(retriever, AwaitedRetriever):
        return replace(tool, handler=AwaitedSearching(tool, retriever), quick=False)
    return replace(tool, handler=Searching(tool, retriever), quick=tool.quick and spec.quick)


def create_retriever(
    spec: RetrieverSpec, knowledge: KnowledgeBase, options: Mapping[str, Any], parts: SearchParts
) -> Retriever | AwaitedRetriever:
    """Create a retriever. Raises what its code raises."""
    create = loaded(spec.create)
    return create(knowledge, options, parts) if spec.composes else create(knowledge, options)
