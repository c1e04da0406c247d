"""Resolving the `$ref`s of schemas within one document; references to other documents are never followed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from referencing import Registry, Resource
from referencing.exceptions import Unresolvable

MAX_NODES = 400
MAX_DEPTH = 8
# Keys that JSON schema does not have, or that are useless to a model.
_DROPPED = frozenset(
    {"example", "examples", "xml", "discriminator", "externalDocs", "deprecated", "readOnly", "writeOnly"}
)


class References:
    """The references of one document. `cut`: those that could not be resolved, each with the reason."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        registry: Registry[Any] = Registry().with_resource("", Resource.opaque(document))
        self._resolver = registry.resolver()
        self.cut: list[tuple[str, str]] = []
        self._nodes = 0

    def look_up(self, part: Any) -> Any:
        """Resolve a reference, also through further ones. Other parts are unchanged; unresolved ones give {}."""
        seen: set[str] = set()
        while isinstance(part, Mapping) and isinstance(reference := part.get("$ref"), str):
            if not reference.startswith("#"):
                self.cut.append(("a reference to another document, which is never fetched", reference))
                return {}
            if reference in seen:
                self.cut.append(("a reference to itself", reference))
                return {}
            seen.add(reference)
            try:
                part = self._resolver.lookup(reference).contents
            except (Unresolvable, LookupError, TypeError, ValueError):
                self.cut.append(("a reference to a missing part", reference))
                return {}
        return part

    def written_out(self, schema: Any) -> dict[str, Any]:
        """Return the JSON schema without references; cycles and very large schemas are cut."""
        self._nodes = 0
        found = self._schema(schema, (), 0)
        return found if isinstance(found, dict) else {}

    def _schema(self, part: Any, above: tuple[str, ...], depth: int) -> Any:
        if isinstance(part, bool):
            return {} if part else {"not": {}}
        if not isinstance(part, Mapping):
            return {}
        self._nodes += 1
        reference = part.get("$ref")
        if isinstance(reference, str):
            if reference in above:
                self.cut.append(("a cycle", reference))
                return {}
            return self._schema(self.look_up(part), (*above, reference), depth)
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            self.cut.append(("deeper parts of a very large schema", above[-1] if above else "inline"))
            return {key: part[key] for key in ("type", "description") if key in part and isinstance(part[key], str)}
        found = {key: self._value(key, value, above, depth) for key, value in part.items() if _is_kept(key)}
        return _modern(found)

    def _value(self, key: str, value: Any, above: tuple[str, ...], depth: int) -> Any:
        if key in ("properties", "patternProperties") and isinstance(value, Mapping):
            return {name: self._schema(each, above, depth + 1) for name, each in value.items()}
        if key in ("allOf", "anyOf", "oneOf", "prefixItems") and isinstance(value, list):
            return [self._schema(each, above, depth + 1) for each in value]
        if key in ("items", "not", "additionalProperties", "contains", "propertyNames", "if", "then", "else"):
            return value if isinstance(value, bool) else self._schema(value, above, depth + 1)
        return value


def _is_kept(key: str) -> bool:
    return key not in _DROPPED and not key.startswith(("x-", "$"))


def _modern(schema: dict[str, Any]) -> dict[str, Any]:
    """Convert what differs in OpenAPI 3.0: `nullable`, and exclusive limits that are bools."""
    if schema.pop("nullable", False) is True and isinstance(kind := schema.get("type"), str):
        schema["type"] = [kind, "null"]
        if isinstance(values := schema.get("enum"), list) and None not in values:
            schema["enum"] = [*values, None]
    for exclusive, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(schema.get(exclusive), bool) and schema.pop(exclusive) and limit in schema:
            schema[exclusive] = schema.pop(limit)
    return schema


def merged_object(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return an object schema with the properties of its `allOf` parts merged; None for any other schema."""
    parts = [each for each in schema.get("allOf", []) if isinstance(each, Mapping)]
    merged = [found for each in parts if (found := merged_object(each)) is not None]
    if len(merged) < len(parts) or any(key in schema for key in ("oneOf", "anyOf", "not")):
        return None
    own = schema.get("properties")
    if not isinstance(own, Mapping) and not merged:
        return None
    properties: dict[str, Any] = {}
    required: list[str] = []
    for each in (*merged, schema):
        properties |= each.get("properties") or {}
        required += [name for name in each.get("required") or [] if isinstance(name, str)]
    about = {"description": schema["description"]} if isinstance(schema.get("description"), str) else {}
    return {"type": "object", **about, "properties": properties, "required": list(dict.fromkeys(required))}
