"""An endpoint for embeddings in tests: a text's vector tells how often it names printers, paper and visitors."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tau2_core.testing.scripted_endpoint import Asked, Raw

WORDS = ("printer", "paper", "visitor")


def vector(text: str) -> list[float]:
    return [float(text.lower().count(word)) for word in WORDS]


def embedded(asked: Asked) -> Raw:
    """Answer a request for embeddings; the usage is a token for each text."""
    return vectors([vector(text) for text in texts_of(asked)])


def vectors(found: Sequence[Sequence[float]]) -> Raw:
    """Answer with these vectors."""
    data = [{"object": "embedding", "index": place, "embedding": each} for place, each in enumerate(found)]
    usage = {"prompt_tokens": len(found), "total_tokens": len(found)}
    return Raw(json.dumps({"object": "list", "model": "any", "data": data, "usage": usage}).encode())


def texts_of(asked: Asked) -> list[str]:
    given = asked.body["input"]
    return [given] if isinstance(given, str) else list(given)
