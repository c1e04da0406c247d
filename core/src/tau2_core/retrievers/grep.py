"""Search by a regular expression: the score of a document is the number of matches in it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import regex

from tau2_core.errors import ToolError
from tau2_core.model.knowledge import Hit, KnowledgeBase
from tau2_core.retrievers.settings import positive, query_text, seconds, switch

LONGEST_FAST = 200  # characters
Count = Callable[[str, float], int]


class Grep:
    """Finds the documents that match a pattern; a pattern that does not compile is taken literally.

    Patterns are Python regular expressions. Short ones without repetition are matched by `re`, as their time grows with
    the text only; all others by a library with a time limit, and they are refused when it is reached.
    """

    def __init__(self, knowledge: KnowledgeBase, options: Mapping[str, Any]) -> None:
        self._knowledge = knowledge
        self._most = positive(options, "top_k", 10)
        self._sensitive = switch(options, "case_sensitive")
        self._seconds = seconds(options)

    def search(self, query: Any) -> Sequence[Hit]:
        if not query_text(query, "pattern").strip():
            return []
        pattern = self._counting(query)
        deadline = time.monotonic() + self._seconds
        hits = []
        for document in self._knowledge.documents:
            try:
                often = pattern(document.content, max(deadline - time.monotonic(), 0.001))
            except TimeoutError as error:
                raise ToolError(
                    f"the pattern took longer than {self._seconds:g} seconds; give a simpler one, with less repetition"
                ) from error
            if often:
                hits.append(Hit(document, float(often)))
        return sorted(hits, key=lambda hit: hit.score, reverse=True)[: self._most]

    def _counting(self, query: str) -> Count:
        """Return a function that counts the matches in a text within a time limit. Raises ToolError."""
        flags = 0 if self._sensitive else re.IGNORECASE
        try:
            pattern = re.compile(query, flags)
        except (re.error, RecursionError, OverflowError):
            pattern = re.compile(re.escape(query), flags)
            return lambda text, _seconds: len(pattern.findall(text))
        if _is_fast(query):
            return lambda text, _seconds: len(pattern.findall(text))
        try:
            stoppable = regex.compile(query, regex.VERSION0 | (0 if self._sensitive else regex.IGNORECASE))
        except regex.error as error:
            raise ToolError(f"the pattern cannot be used: {error}") from error
        return lambda text, seconds: len(stoppable.findall(text, timeout=seconds))

    def nothing_found(self, query: Any) -> str:
        return f"No matches found for pattern: {query}"


def _is_fast(query: str) -> bool:
    """Tell whether matching is certainly fast. Even a single `[^x]*` takes seconds in a few long documents."""
    return len(query) <= LONGEST_FAST and not any(sign in query for sign in "*+?{")
