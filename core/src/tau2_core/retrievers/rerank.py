"""A wrapper around any retriever: a model rates its hits, and only the good ones remain, best first."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from tau2_core.errors import ToolError, UsageError
from tau2_core.llm.chat import text_of
from tau2_core.llm.model import EpisodeModel
from tau2_core.llm.prompts import own_prompt
from tau2_core.model.knowledge import AwaitedRetriever, Hit, KnowledgeBase, SearchContext
from tau2_core.model.llm import ModelRole, ModelSettings
from tau2_core.model.registrations import SearchParts
from tau2_core.name_suggestions import did_you_mean
from tau2_core.packs.retrieval import create_retriever
from tau2_core.retrievers.dense import episode_model
from tau2_core.retrievers.settings import model_of, text

BEST = 10
AT_ONCE = 20  # ratings
SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "rating",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"relevance_score": {"type": "integer"}},
            "required": ["relevance_score"],
            "additionalProperties": False,
        },
    },
}
_OWN = frozenset({"of", "reranker", "reranker_args", "min_score"})


class Rerank:
    """Rates the hits of the retriever `of` from 0 to 10, and keeps those of at least `min_score`.

    Hits with equal ratings keep their order. A hit whose rating cannot be read is dropped. All options except its own
    are passed to the retriever.
    """

    def __init__(self, knowledge: KnowledgeBase, options: Mapping[str, Any], parts: SearchParts) -> None:
        name = text(options, "of")
        spec = parts.retrievers.get(name)
        if spec is None or spec.name == "rerank":
            known = parts.retrievers.keys() - {"rerank"}
            raise UsageError(f"option of: there is no retriever {name!r} to rerank ({did_you_mean(name, known)})")
        inner = {key: value for key, value in options.items() if key not in _OWN}
        self._inner = create_retriever(spec, knowledge, inner, parts)
        self._least = _score(options.get("min_score", 5))
        model = model_of(options, "reranker", "reranker_args")
        asked = self._inner.models if isinstance(self._inner, AwaitedRetriever) else {}
        self.models: Mapping[ModelRole, ModelSettings] = {**asked, "reranker": model}

    async def prepare(self, context: SearchContext) -> None:
        """Prepare the retriever whose hits are rated."""
        if isinstance(self._inner, AwaitedRetriever):
            await self._inner.prepare(context)

    async def find(self, query: Any, context: SearchContext) -> Sequence[Hit]:
        if isinstance(self._inner, AwaitedRetriever):
            hits = await self._inner.find(query, context)
        else:
            hits = self._inner.search(query)
        if isinstance(hits, str):
            raise ToolError("this retriever finds no documents that could be rated")
        ratings = await _ratings(episode_model(context, "reranker"), query, hits)
        rated = [
            Hit(hit.document, float(rating)) for hit, rating in zip(hits, ratings, strict=True) if rating is not None
        ]
        return sorted((hit for hit in rated if hit.score >= self._least), key=lambda hit: hit.score, reverse=True)

    def shows_machine(self, _query: Any) -> bool:
        return False

    def nothing_found(self, query: Any) -> str:
        return self._inner.nothing_found(query)


async def _ratings(model: EpisodeModel, query: str, hits: Sequence[Hit]) -> list[int | None]:
    """Rate hits at the same time, but one after the other with a cassette, which keeps the order of requests."""
    if model.role_model.cassette is not None:
        return [await _rating(model, query, hit) for hit in hits]
    turns = asyncio.Semaphore(AT_ONCE)

    async def rated(hit: Hit) -> int | None:
        async with turns:
            return await _rating(model, query, hit)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(rated(hit)) for hit in hits]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


async def _rating(model: EpisodeModel, query: str, hit: Hit) -> int | None:
    """Return a hit's rating, None if the answer has none. Raises ModelError."""
    chat = [
        {"role": "system", "content": own_prompt("reranker")},
        {"role": "user", "content": f"<query>\n{query}\n</query>\n\n<document>\n{hit.document.content}\n</document>"},
    ]
    return read_rating(text_of(await model.complete(chat, response_format=SCHEMA)) or "")


def read_rating(answer: str) -> int | None:
    """Return the rating in an answer, 0 to 10; None if the answer is not an object with a whole number."""
    try:
        value = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    score = value.get("relevance_score") if isinstance(value, dict) else None
    if isinstance(score, bool) or not isinstance(score, int):
        return None
    return max(0, min(BEST, score))


def _score(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"option min_score of the retriever should be a number, not {value!r}")
    return float(value)
