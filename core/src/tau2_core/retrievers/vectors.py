"""The vectors of a knowledge base, computed once per process, and the documents closest to a query's vector."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from tau2_core.llm.keys import address_of
from tau2_core.model.knowledge import KnowledgeBase
from tau2_core.model.llm import Completion, ModelError, ModelFailure, ModelSettings
from tau2_core.retrievers.vector_cache import VectorCache, cache_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Ask = Callable[[Sequence[dict[str, Any]]], Awaitable[Completion]]
AT_ONCE = 100  # documents in a request


class Vectors:
    """The vectors of documents by one model, from the disk as far as they are cached."""

    def __init__(self, knowledge: KnowledgeBase, settings: ModelSettings, folder: Path) -> None:
        provider = settings.model.partition("/")[0]
        maker = [settings.model, settings.deciding_args(), address_of(settings, provider)]
        self._texts = [document.content for document in knowledge.documents]
        self._cache = VectorCache(folder / _digest(json.dumps(maker, sort_keys=True)))
        self._matrix: NDArray[np.float64] | None = None
        self._norms: NDArray[np.float64] | None = None
        self._locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()

    @cached_property
    def digest(self) -> str:
        """The digest of all texts, in their order."""
        return _digest("".join(map(_digest, self._texts)))

    async def load(self, ask: Ask) -> None:
        """Read the vectors and ask for those that are missing, unless that has been done. Raises ModelError.

        Concurrent callers wait for the same requests.
        """
        if self._matrix is not None:
            return
        async with self._locks.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            if self._matrix is None:
                self._matrix = _matrix(await self._load(ask))

    async def _load(self, ask: Ask) -> list[Sequence[float]]:
        digests = [_digest(each) for each in self._texts]
        found: dict[str, Sequence[float]] = await asyncio.to_thread(self._cache.read, digests)
        missing = {digest: each for digest, each in zip(digests, self._texts, strict=True) if digest not in found}
        names = list(missing)
        for start in range(0, len(names), AT_ONCE):
            batch = names[start : start + AT_ONCE]
            answer = await ask([{"role": "user", "content": missing[name]} for name in batch])
            made = dict(zip(batch, answer.message["vectors"], strict=True))
            found |= made
            await asyncio.to_thread(self._cache.write, made)
        return [found[digest] for digest in digests]

    def closest(self, vector: Sequence[float], most: int) -> list[tuple[int, float]]:
        """Return the places and scores of the closest documents, best first. Raises ModelError for another size."""
        import numpy as np

        assert self._matrix is not None
        if len(vector) != self._matrix.shape[1]:
            sizes = f"the query's vector has {len(vector)} numbers, those of the documents {self._matrix.shape[1]}"
            raise ModelError(ModelFailure.UNREADABLE, f"the model changed the size of its vectors: {sizes}")
        asked = np.asarray(vector, dtype=np.float64)
        if self._norms is None:
            self._norms = np.linalg.norm(self._matrix, axis=1)
        norms = self._norms * np.linalg.norm(asked)
        products = self._matrix @ asked
        scores = np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)
        order = np.argsort(scores, kind="stable")[::-1][:most]
        return [(int(place), float(scores[place])) for place in order]


@lru_cache(maxsize=8)
def _made(knowledge: KnowledgeBase, settings: str, folder: Path) -> Vectors:
    return Vectors(knowledge, ModelSettings.model_validate_json(settings), folder)


def vectors_of(knowledge: KnowledgeBase, settings: ModelSettings) -> Vectors:
    """Return the vectors of a knowledge base by a model, the same object for all episodes of a process."""
    return _made(knowledge, settings.model_dump_json(), cache_folder())


def _matrix(vectors: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    import numpy as np

    sizes = {len(vector) for vector in vectors}
    if len(sizes) > 1:
        what = f"the vectors of the documents have different sizes: {sorted(sizes)}"
        raise ModelError(
            ModelFailure.UNREADABLE, f"{what}; remove the cache in {cache_folder()} if the model has changed"
        )
    return np.array(vectors, dtype=np.float64)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
