"""Tool and function entries of YAML files, as JSON schemas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from keyword import iskeyword
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema, model_validator

from tau2_core.model.tools import FunctionKind, Kind, Role
from tau2_core.name_suggestions import did_you_mean
from tau2_core.packs.problems import Problems
from tau2_core.packs.provider_names import LONGEST, TOOL_RULE, is_provider_name
from tau2_core.packs.schemas import schema_problems
from tau2_core.packs.yaml_source import Document
from tau2_core.problem_kinds import ProblemKind

# Keys of a parameter besides its JSON schema.
OWN_KEYS = ("optional", "alias")
_TYPE = {"enum": ["string", "integer", "number", "boolean", "array", "object", "null"]}
# Keys of a parameter for editors: the usual ones of a JSON schema. `check` knows all others.
_PARAMETER = {
    "type": "object",
    "properties": {
        "type": {
            "anyOf": [_TYPE, {"type": "array", "items": _TYPE}],
            "description": "The JSON types that are allowed.",
        },
        "description": {"type": "string", "description": "The description that models read."},
        "optional": {"type": "boolean", "description": "Whether it may be omitted; the handler then needs a default."},
        "alias": {"type": "string", "description": "The handler's name for it, if this name is not valid in Python."},
        "enum": {"type": "array", "description": "All allowed values."},
        "items": {"type": ["object", "boolean"], "description": "The JSON schema of an array's items."},
        "properties": {"type": "object", "description": "JSON schemas of an object's properties."},
        "minimum": {"type": "number", "description": "The smallest number."},
        "maximum": {"type": "number", "description": "The largest number."},
        "pattern": {"type": "string", "description": "A regular expression that the text must match."},
    },
    "additionalProperties": True,
}


_HANDLER = r"^\w+:[a-zA-Z]\w*$"
_HANDLER_HELP = "`module:function` in the folder `handlers`."


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    description: str = Field(min_length=1, description="The description that models read.")
    parameters: dict[str, Annotated[dict[str, Any], WithJsonSchema(_PARAMETER)]] = Field(
        default_factory=dict, description="JSON schemas by parameter; each is required unless it says `optional: true`."
    )

    def schema_object(self) -> dict[str, Any]:
        """Return the JSON schema of the arguments object."""
        properties = {
            name: {key: value for key, value in schema.items() if key not in OWN_KEYS}
            for name, schema in self.parameters.items()
        }
        required = [name for name, schema in self.parameters.items() if not schema.get("optional", False)]
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}

    def aliases(self) -> dict[str, str]:
        """Return the handler's names for parameters with an alias."""
        return {name: schema["alias"] for name, schema in self.parameters.items() if "alias" in schema}


OPEN_SCHEMA: Mapping[str, Any] = {"type": "object", "properties": {}, "required": []}


class HiddenCall(BaseModel):
    """The parameters of a tool that calls hidden ones."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="The parameter for the name of the hidden tool.")
    arguments: str = Field(description="The parameter for its arguments, an object or a JSON object as text.")


class ToolEntry(_Entry):
    """A tool as YAML declares it, with a handler of its own or answered by a retriever."""

    handler: str | None = Field(default=None, pattern=_HANDLER, description=_HANDLER_HELP)
    retriever: str | None = Field(
        default=None, min_length=1, description="In place of a handler: what searches the knowledge base, such as bm25."
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="The retriever's options; `$NAME` is the variant's option of that name."
    )
    kind: Kind = Field(
        description="`read` looks up, `write` may change the database, `think` and `generic` do neither."
    )
    mutates: bool | None = Field(
        default=None,
        description="Whether the call changes something, so that a replay makes it again; default: if it is `write`.",
    )
    logs: bool = Field(
        default=False, description="Whether a tool that reads may write a log, which a replay does not repeat."
    )
    hidden: bool = Field(default=False, description="Whether nobody is told of it until it is unlocked by its name.")
    transfers: bool = Field(default=False, description="Whether the tool hands the customer over to a human.")
    calls_hidden: HiddenCall | None = Field(
        default=None, description="For the tool that calls hidden ones: which parameters take their name and arguments."
    )

    @model_validator(mode="after")
    def _answered(self) -> ToolEntry:
        if (self.handler is None) == (self.retriever is None):
            raise ValueError("name either a `handler` or a `retriever`")
        if self.retriever is not None and (self.kind != "read" or not self.parameters):
            raise ValueError("a tool with a `retriever` is of kind `read`, and its first parameter is the query")
        if self.options and self.retriever is None:
            raise ValueError("`options` are those of a `retriever`, which is missing")
        if self.kind == "write" and self.mutates is False:
            raise ValueError("a tool of kind `write` always mutates; remove `mutates`")
        if self.calls_hidden is not None:
            self._check_calls_hidden(self.calls_hidden)
        return self

    def _check_calls_hidden(self, takes: HiddenCall) -> None:
        if self.hidden:
            raise ValueError("a hidden tool cannot be the one that calls hidden tools; remove `calls_hidden`")
        for name in (takes.name, takes.arguments):
            if name not in self.parameters:
                raise ValueError(f"`calls_hidden` names a parameter {name!r} ({did_you_mean(name, self.parameters)})")
        if self.parameters[takes.arguments].get("type") not in ("object", "string"):
            raise ValueError(f"the parameter {takes.arguments!r} of `calls_hidden` should be an object or a string")


class FunctionEntry(_Entry):
    """A set-up call or an assertion as YAML declares it."""

    handler: str = Field(pattern=_HANDLER, description=_HANDLER_HELP)

    role: Role = Field(description="Whose database it works on.")
    kind: FunctionKind = Field(description="`setup` may change the database, `assertion` returns a bool.")


@dataclass(frozen=True)
class Declaration:
    """An entry with its document. If it is not `sound`, its problems are noted, and only its handler is used."""

    name: str
    entry: ToolEntry | FunctionEntry
    document: Document
    sound: bool = True


def read_entries(
    document: Document, model: type[ToolEntry] | type[FunctionEntry], problems: Problems
) -> list[Declaration]:
    """Validate a file's entries and their schemas, and note problems. Entries without a usable handler are left out."""
    if not isinstance(document.value, dict):
        problems.add(document.file, ProblemKind.WRONG_SHAPE, "should be a mapping of names to entries", line=1)
        return []
    declarations = []
    for name, value in document.value.items():
        entry = problems.validate(model, document, value, (name,))
        if entry is None:
            rest = _remains(model, value)
            if rest is not None:
                declarations.append(Declaration(name, rest, document, sound=False))
            continue
        bad = bool(list(_note_names(name, entry, document, problems)))
        for parameter, schema in entry.parameters.items():
            if not isinstance(schema.get("optional", False), bool):
                what = f"{name}.{parameter}: `optional` should be true or false, not {schema['optional']!r}"
                problems.add(
                    document.file,
                    ProblemKind.PARAMETER_SCHEMA,
                    what,
                    line=document.line((name, "parameters", parameter, "optional")),
                )
                bad = True
        bad = bool(list(_note_aliases(name, entry, document, problems))) or bad
        for path, what in schema_problems(entry.schema_object()):
            place = (name, "parameters", *path[1:])  # in the file, the schema's `properties` are called `parameters`
            where = ".".join(map(str, (name, *path[1:])))
            problems.add(document.file, ProblemKind.PARAMETER_SCHEMA, f"{where}: {what}", line=document.line(place))
            bad = True
        declarations.append(Declaration(name, entry, document, sound=not bad))
    return declarations


def _note_names(name: str, entry: ToolEntry | FunctionEntry, document: Document, problems: Problems) -> Iterator[str]:
    """Note, and yield, names of a tool and its parameters that some model providers do not accept."""
    if isinstance(entry, FunctionEntry):
        return  # never shown to a model
    for named, path in [(name, (name,)), *((each, (name, "parameters", each)) for each in entry.parameters)]:
        if not is_provider_name(named):
            kind = "tool" if path == (name,) else "parameter"
            what = f"{named!r} is not accepted by all model providers as the name of a {kind}"
            long = f", and this one has {len(named)}" if len(named) > LONGEST else ""
            problems.add(
                document.file, ProblemKind.TOOL_NAME, what, line=document.line(path), hint=f"use {TOOL_RULE}{long}"
            )
            yield named


def _note_aliases(name: str, entry: _Entry, document: Document, problems: Problems) -> Iterator[str]:
    """Report and yield aliases that are not Python names, or are used for two parameters."""
    taken = {each for each in entry.parameters if each not in entry.aliases()}
    for parameter, alias in entry.aliases().items():
        place = document.line((name, "parameters", parameter, "alias"))
        if not isinstance(alias, str) or not alias.isidentifier() or iskeyword(alias):
            what = f"{name}.{parameter}: `alias` should be the name of a parameter in Python, not {alias!r}"
            problems.add(document.file, ProblemKind.PARAMETER_SCHEMA, what, line=place)
            yield parameter
        elif alias in taken:
            what = f"{name}.{parameter}: another parameter already has the alias {alias!r}"
            problems.add(document.file, ProblemKind.PARAMETER_SCHEMA, what, line=place, hint="use another alias")
            yield parameter
        else:
            taken.add(alias)


def _remains(model: type[ToolEntry] | type[FunctionEntry], value: Any) -> ToolEntry | FunctionEntry | None:
    """Return the valid part of a wrong entry if it names a handler, so that the rest of the pack can be checked."""
    if not isinstance(value, dict):
        return None
    try:
        return model.model_validate(value)
    except ValidationError as error:
        wrong = {detail["loc"][0] if detail["loc"] else "" for detail in error.errors(include_url=False)}
    if "" in wrong:  # parts that do not fit together
        return None
    kept = {key: item for key, item in value.items() if key in model.model_fields and key not in wrong}
    substitutes = {"description": "-", "kind": "write" if model is ToolEntry else "setup"}
    try:
        return model.model_validate(substitutes | kept)
    except ValidationError:
        return None
