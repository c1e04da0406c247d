"""The litellm client for embeddings, which turn texts into vectors.

It is a client like those for chat, so that limits, attempts, costs and failures are the same: each message's content is
a text, and the answer's message has one of `vectors` for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from tau2_core.errors import MissingExtraError, UsageError
from tau2_core.json_values import copy_json
from tau2_core.llm.failures import as_model_error
from tau2_core.llm.litellm_client import LiteLLMClient, load_litellm
from tau2_core.model.llm import Completion, ModelError, ModelFailure, ModelSettings


class EmbeddingClient(LiteLLMClient):
    """Sends single requests for embeddings, without retries.

    Raises UsageError for an unknown provider, MissingExtraError without litellm or NumPy.
    """

    def __init__(self, settings: ModelSettings) -> None:
        try:
            import numpy as _numpy  # noqa: F401 - the vectors are needed as arrays later; a missing NumPy is reported before the run
        except ImportError as error:
            raise MissingExtraError("searches by embeddings", "NumPy", "dense") from error
        if settings.model.startswith("endpoint/"):
            name = settings.model.partition("/")[2]
            raise UsageError(f"embeddings: write openai/{name} with api_base, not {settings.model}")
        super().__init__(settings)

    async def complete(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]], options: Mapping[str, Any]
    ) -> Completion:
        """Return a vector for each message; there are neither tools nor options. Raises ModelError."""
        assert not tools
        assert not options
        texts = [str(message["content"]) for message in messages]
        arguments = {"encoding_format": "float", **copy_json(self._args), "num_retries": 0, "max_retries": 0}
        try:
            response = await load_litellm().aembedding(model=self.settings.model, input=texts, **arguments)
        except Exception as error:
            raise as_model_error(error) from error
        usage = getattr(response, "usage", None)
        tokens = getattr(usage, "prompt_tokens", None)
        counts = {"prompt_tokens": tokens, "completion_tokens": 0} if isinstance(tokens, int) else {}
        vectors = read_vectors(getattr(response, "data", None), len(texts))
        return Completion(
            message={"vectors": vectors}, usage=counts or None, cost=self._cost(response, counts), finish_reason="stop"
        )


def read_vectors(data: Any, count: int) -> list[list[float]]:
    """Return the vectors of an answer, in the order of their texts. Raises ModelError if it has another form."""
    if not isinstance(data, list) or len(data) != count:
        found = f"{len(data)} vectors" if isinstance(data, list) else "no list of vectors"
        raise _unreadable(f"it has {found} for {count} texts")
    by_place: dict[int, list[float]] = {}
    for place, entry in enumerate(data):
        index = _part(entry, "index")
        vector = _part(entry, "embedding")
        if not isinstance(vector, list) or not vector or not all(map(_is_number, vector)):
            raise _unreadable(f"the vector of text {place} should be a list of numbers")
        by_place[index if isinstance(index, int) else place] = [float(number) for number in vector]
    if sorted(by_place) != list(range(count)):
        raise _unreadable(f"its indexes should be 0 to {count - 1}")
    sizes = {len(vector) for vector in by_place.values()}
    if len(sizes) > 1:
        raise _unreadable(f"its vectors have different sizes: {sorted(sizes)}")
    return [by_place[place] for place in range(count)]


def _part(entry: Any, name: str) -> Any:
    return entry.get(name) if isinstance(entry, Mapping) else getattr(entry, name, None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _unreadable(what: str) -> ModelError:
    return ModelError(ModelFailure.UNREADABLE, f"the answer is not one to a request for embeddings: {what}")
