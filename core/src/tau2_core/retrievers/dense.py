"""Search by embeddings: the score of a document is the cosine of its vector and the query's.

A cassette holds, for each query, the hits and their scores, so that a replay needs neither vectors nor a model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from tau2_core.errors import ToolError
from tau2_core.llm.model import EpisodeModel
from tau2_core.model.knowledge import Hit, KnowledgeBase, SearchContext
from tau2_core.model.llm import Completion, ModelError, ModelFailure, ModelRole, ModelSettings
from tau2_core.retrievers.settings import model_of, positive, query_text, text
from tau2_core.retrievers.vectors import Vectors, vectors_of


class Dense:
    """Ranks documents by how close their vectors are to the query's; of equal scores the later document comes first.

    `instruction` is put before a query, as some models expect it; documents are embedded as they are.
    """

    def __init__(self, knowledge: KnowledgeBase, options: Mapping[str, Any]) -> None:
        self._knowledge = knowledge
        self._most = positive(options, "top_k", 10)
        self._instruction = text(options, "instruction")
        self._settings = model_of(options, "model", "model_args")
        self.models: Mapping[ModelRole, ModelSettings] = {"embedding": self._settings}

    @property
    def _vectors(self) -> Vectors:
        return vectors_of(self._knowledge, self._settings)

    async def prepare(self, context: SearchContext) -> None:
        """Embed the documents, unless this process has done so."""
        model = episode_model(context, "embedding")
        if not model.replays:
            await self._vectors.load(model.ask)

    async def find(self, query: Any, context: SearchContext) -> Sequence[Hit]:
        if not query_text(query).strip():
            raise ToolError("the query is empty; say what to search for")
        model = episode_model(context, "embedding")
        await self.prepare(context)
        message = {"role": "user", "content": f"{self._instruction}{query}"}
        asked = {"messages": [message], "documents": self._vectors.digest, "most": self._most}
        answer = await model.exchange(asked, partial(self._ranked, model, message))
        documents = self._knowledge.documents
        return [Hit(documents[place], score) for place, score in answer.message["hits"]]

    async def _ranked(self, model: EpisodeModel, message: dict[str, Any]) -> Completion:
        """Request the query's vector, and return the hits. Raises ModelError."""
        client = model.role_model.client
        assert client is not None
        answer = await client.complete([message], (), {})
        (vector,) = answer.message["vectors"]
        scores = self._vectors.closest(vector, self._most)
        return answer.model_copy(update={"message": {"hits": [list(each) for each in scores]}})

    def shows_machine(self, _query: Any) -> bool:
        return False

    def nothing_found(self, _query: Any) -> str:
        return "No relevant documents found."


def episode_model(context: SearchContext, role: ModelRole) -> EpisodeModel:
    """Return the model of a role. Raises ModelError if the episode has none."""
    model = context.models.get(role)
    if not isinstance(model, EpisodeModel):
        raise ModelError(ModelFailure.SETTINGS, f"a search needs the {role} model, but this episode has none")
    return model
