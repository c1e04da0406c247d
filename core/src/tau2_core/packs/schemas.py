"""JSON schemas of arguments: compiled without access to files or URLs, and checked with readable errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema_rs

from tau2_core.packs.source_error import SourcePath

# Patterns are applied to what agents write. This engine takes linear time for any pattern; in exchange it has no
# look-around and no back references.
LINEAR = jsonschema_rs.RegexOptions()
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_DATA = ("enum", "const", "default", "examples")  # their content is a value, not a schema


def compile_schema(schema: Mapping[str, Any]) -> jsonschema_rs.Validator:
    """Return a validator. Raises ValueError for an invalid schema, or one that refers to something outside it."""
    return jsonschema_rs.validator_for(dict(schema), retriever=_refuse, pattern_options=LINEAR)


def _refuse(address: str) -> Any:
    raise ValueError(f"{address} is outside the schema and is not read")


def schema_problems(schema: Mapping[str, Any]) -> list[tuple[SourcePath, str]]:
    """Return the problems of a schema for a tool's arguments, each with its path; [] if it can be used."""
    found = list(_references(schema, schema, ()))
    if found:
        return found
    try:
        jsonschema_rs.meta.validate(dict(schema))
        compile_schema(schema)
    except jsonschema_rs.ValidationError as error:
        return [_as_problem(error)]
    except (ValueError, TypeError, RecursionError) as error:  # an unresolvable reference, NaN, depth
        return [((), f"not a JSON schema: {error}")]
    return []


def _as_problem(error: jsonschema_rs.ValidationError) -> tuple[SourcePath, str]:
    path, pattern = tuple(error.instance_path), error.instance
    if not (isinstance(pattern, str) and ("pattern" in path[-1:] or "patternProperties" in path[-2:])):
        return path, f"not a JSON schema: {error.message}"
    try:
        jsonschema_rs.validator_for({"pattern": pattern})
    except ValueError:  # a ValidationError is one
        return path, f"pattern {pattern!r} is not a valid regular expression in JSON schemas"
    what = f"pattern {pattern!r} has look-around, a back reference or too many repetitions, and could take very long"
    return path, f"{what}: write it without them, or let the handler check the value"


def _references(part: Any, root: Mapping[str, Any], path: SourcePath) -> Iterator[tuple[SourcePath, str]]:
    """Yield every reference that leads out of the schema or nowhere."""
    if isinstance(part, list):
        for index, item in enumerate(part):
            yield from _references(item, root, (*path, index))
    if not isinstance(part, dict):
        return
    for key, item in part.items():
        if key in _REFERENCES and isinstance(item, str):
            if not item.startswith("#"):
                what = f"{key} {item!r} leads out of the schema; only references within it (`#/…`) are followed"
                yield (*path, key), f"{what}: write the schema out"
            elif item.startswith("#/") and not _resolves(item, root):
                what = f"{key} {item!r} leads nowhere; references begin at the arguments' schema, as in"
                yield (*path, key), f"{what} '#/properties/NAME'"
        elif key not in _DATA:
            yield from _references(item, root, (*path, key))


def _resolves(reference: str, root: Any) -> bool:
    place = root
    for part in reference.removeprefix("#/").split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(place, dict) and name in place:
            place = place[name]
        elif isinstance(place, list) and name.isdecimal() and int(name) < len(place):
            place = place[int(name)]
        else:
            return False
    return True
