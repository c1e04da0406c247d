"""Tool and function entries of YAML files, as JSON schemas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema_rs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tau2_core.model.tools import FunctionKind, Kind, Role
from tau2_core.packs.problems import Problems
from tau2_core.packs.yaml_source import Document


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    description: str = Field(min_length=1)
    handler: str = Field(pattern=r"^\w+:[a-zA-Z]\w*$")
    parameters: dict[str, dict[str, Any]] = Field(default_factory=dict)

    def schema_object(self) -> dict[str, Any]:
        """Return the JSON schema of the arguments object."""
        properties = {
            name: {key: value for key, value in schema.items() if key != "optional"}
            for name, schema in self.parameters.items()
        }
        required = [name for name, schema in self.parameters.items() if not schema.get("optional", False)]
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


OPEN_SCHEMA: Mapping[str, Any] = {"type": "object", "properties": {}, "required": []}


class ToolEntry(_Entry):
    """A tool as YAML declares it."""

    kind: Kind
    transfers: bool = False


class FunctionEntry(_Entry):
    """A set-up call or an assertion as YAML declares it."""

    role: Role
    kind: FunctionKind


@dataclass(frozen=True)
class Declaration:
    """An entry and where it stands; one that is not `sound` has its problems noted, and only its handler is of use."""

    name: str
    entry: ToolEntry | FunctionEntry
    document: Document
    sound: bool = True


def read_entries(
    document: Document, model: type[ToolEntry] | type[FunctionEntry], problems: Problems
) -> list[Declaration]:
    """Validate a file's entries and their schemas, and note what is wrong; one that says too little is left out."""
    if not isinstance(document.value, dict):
        problems.add(document.file, "should be a mapping of names to entries", line=1)
        return []
    declarations = []
    for name, value in document.value.items():
        entry = problems.validate(model, document, value, (name,))
        if entry is None:
            rest = _remains(model, value)
            if rest is not None:
                declarations.append(Declaration(name, rest, document, sound=False))
            continue
        if not name.isidentifier():
            problems.add(document.file, f"{name!r} is no name for a tool", line=document.line((name,)))
            continue
        bad = False
        for parameter, schema in entry.parameters.items():
            line = document.line((name, "parameters", parameter))
            where = f"{name}.{parameter}"
            if not isinstance(schema.get("optional", False), bool):
                problems.add(document.file, f"{where}: `optional` should be true or false", line=line)
                bad = True
        try:
            jsonschema_rs.meta.validate(entry.schema_object())
        except jsonschema_rs.ValidationError as error:
            path = ("parameters", *[part for part in error.instance_path if part != "properties"])
            line = document.line((name, *path))
            problems.add(document.file, f"{name}: not a JSON schema: {error.message}", line=line)
            bad = True
        declarations.append(Declaration(name, entry, document, sound=not bad))
    return declarations


def _remains(model: type[ToolEntry] | type[FunctionEntry], value: Any) -> ToolEntry | FunctionEntry | None:
    """Return what is left of a wrong entry, if that names a handler: enough for the rest of the pack to be checked."""
    if not isinstance(value, dict):
        return None
    try:
        return model.model_validate(value)
    except ValidationError as error:
        wrong = {detail["loc"][0] for detail in error.errors(include_url=False)}
    kept = {key: item for key, item in value.items() if key in model.model_fields and key not in wrong}
    substitutes = {"description": "-", "kind": "write" if model is ToolEntry else "setup"}
    try:
        return model.model_validate(substitutes | kept)
    except ValidationError:
        return None
