"""BM25, with the arithmetic of the official benchmark (the Okapi formula with a floor for frequent words).

Tokens are lower-cased words separated by whitespace, with nothing removed. A word that occurs in more than half of the
documents would have a negative weight; it gets a quarter of the average weight instead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import log
from typing import Any

from tau2_core.model.knowledge import Hit, KnowledgeBase
from tau2_core.retrievers.settings import positive, query_text

K1 = 1.5
B = 0.75
FLOOR = 0.25


class Index:
    """For each word, the documents that contain it, and what one occurrence in a query adds to their scores."""

    def __init__(self, knowledge: KnowledgeBase) -> None:
        self.size = len(knowledge.documents)
        counts = [Counter(tokens(each.content)) for each in knowledge.documents]
        lengths = [sum(count.values()) for count in counts]
        average = sum(lengths) / self.size
        containing = Counter(word for count in counts for word in count)
        weights = {word: log(self.size - n + 0.5) - log(n + 0.5) for word, n in containing.items()}
        floor = FLOOR * (sum(weights.values()) / len(weights)) if weights else 0.0
        self.added: dict[str, list[tuple[int, float]]] = {word: [] for word in weights}
        for place, (count, length) in enumerate(zip(counts, lengths, strict=True)):
            damping = K1 * (1 - B + B * length / average) if average else 0.0
            for word, often in count.items():
                weight = weights[word] if weights[word] >= 0 else floor
                self.added[word].append((place, weight * (often * (K1 + 1) / (often + damping))))

    def scores(self, query: str) -> list[float]:
        """Return the score of each document; a word counts as often as it occurs in the query."""
        scores = [0.0] * self.size
        for word in tokens(query):
            for place, added in self.added.get(word, ()):
                scores[place] += added
        return scores


def tokens(text: str) -> list[str]:
    """Return the words of a text as they are indexed."""
    return text.lower().split()


@lru_cache(maxsize=8)
def index_of(knowledge: KnowledgeBase) -> Index:
    """Return the index of a knowledge base, built once per process."""
    return Index(knowledge)


class Bm25:
    """Ranks all documents by score; documents with equal scores keep their order, also those with score 0."""

    def __init__(self, knowledge: KnowledgeBase, options: Mapping[str, Any]) -> None:
        self._knowledge = knowledge
        self._most = positive(options, "top_k", 10)

    def search(self, query: Any) -> Sequence[Hit]:
        if not query:
            return []
        if not query_text(query).strip():
            return []
        scores = index_of(self._knowledge).scores(query)
        best = sorted(range(len(scores)), key=scores.__getitem__, reverse=True)[: self._most]
        return [Hit(self._knowledge.documents[place], scores[place]) for place in best]

    def nothing_found(self, _query: Any) -> str:
        return "No relevant documents found."
