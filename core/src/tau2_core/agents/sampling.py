"""Random values that fit a JSON schema of the kinds that tools use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any


def sample_arguments(schema: Mapping[str, Any], random: Random, words: Sequence[str]) -> dict[str, Any]:
    """Return random arguments that fit an object schema. Texts are drawn from `words`; optional ones may be omitted."""
    required = set(schema.get("required", ()))
    return {
        name: sample(part, random, words)
        for name, part in schema.get("properties", {}).items()
        if name in required or random.random() < 0.5
    }


def sample(schema: Mapping[str, Any], random: Random, words: Sequence[str]) -> Any:
    """Return a random value that fits a schema (type, enum, const, anyOf, bounds, items, properties)."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return random.choice(list(schema["enum"]))
    if "anyOf" in schema:
        return sample(random.choice(list(schema["anyOf"])), random, words)
    kind = schema.get("type", "string")
    if isinstance(kind, list):
        kind = random.choice(kind)
    if kind in ("integer", "number"):
        low = schema.get("minimum", 0)
        high = schema.get("maximum", low + 5)
        return random.randint(int(low), int(high)) if kind == "integer" else round(random.uniform(low, high), 2)
    if kind == "boolean":
        return random.random() < 0.5
    if kind == "array":
        count = max(schema.get("minItems", 0), random.randint(0, 2))
        return [sample(schema.get("items", {}), random, words) for _ in range(count)]
    if kind == "object":
        return sample_arguments(schema, random, words)
    return None if kind == "null" else random.choice(words)
