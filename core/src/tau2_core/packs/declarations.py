"""Tool and function entries of YAML files, as JSON schemas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jsonschema_rs
from pydantic import BaseModel, ConfigDict, Field

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
    """A valid entry and where it stands."""

    name: str
    entry: ToolEntry | FunctionEntry
    document: Document


def read_entries(
    document: Document, model: type[ToolEntry] | type[FunctionEntry], problems: Problems
) -> list[Declaration]:
    """Validate a file's entries and their schemas; what is wrong is noted and left out."""
    if not isinstance(document.value, dict):
        problems.add(document.file, "should be a mapping of names to entries", line=1)
        return []
    declarations = []
    for name, value in document.value.items():
        entry = problems.validate(model, document, value, (name,))
        if entry is None:
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
        if not bad:
            declarations.append(Declaration(name, entry, document))
    return declarations
