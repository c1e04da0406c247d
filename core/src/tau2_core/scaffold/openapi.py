"""Tools and records from an OpenAPI document, 3.0 or 3.1, in JSON or YAML. Nothing else is ever fetched."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from tau2_core.errors import MissingExtraError, UsageError
from tau2_core.packs.schema_references import References, merged_object
from tau2_core.scaffold.imported_tools import Imported, ImportedTool, class_name, python_name, tool_name

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
READING = ("get", "head")
LEFT_OUT_METHODS = ("options", "trace")
LONGEST_TEXT = 1000


def read_openapi(file: Path) -> Imported:
    """Read a document's operations as tools and its schemas as records.

    Raises UsageError for anything else, MissingExtraError if the library that parses it is not installed.
    """
    return _Reader(file, _document(file)).read()


def _document(file: Path) -> Mapping[str, Any]:
    import yaml

    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"--from-openapi {file}: not UTF-8 text") from error
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        content = json.loads(text) if file.suffix == ".json" else yaml.load(text, Loader=loader)  # noqa: S506
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"--from-openapi {file}: cannot be parsed: {str(error).splitlines()[0]}") from error
    if not isinstance(content, Mapping) or not str(content.get("openapi", "")).startswith(("3.0", "3.1")):
        found = content.get("openapi", content.get("swagger")) if isinstance(content, Mapping) else None
        says = f"it says {found!r}" if found is not None else "it does not say which version it is"
        raise UsageError(f"--from-openapi {file}: it should be an OpenAPI document of version 3.0 or 3.1; {says}")
    if not isinstance(content.get("paths"), Mapping):
        raise UsageError(f"--from-openapi {file}: it has no `paths`, so no tools can be created")
    return content


class _Reader:
    def __init__(self, file: Path, document: Mapping[str, Any]) -> None:
        self.document = document
        self.references = References(document)
        self.found = Imported(file.name)
        self.operation_model = _operation_model(str(document["openapi"]))
        self.named: dict[str, ImportedTool] = {}
        self.schemas = self._schemas()

    def read(self) -> Imported:
        for path, entry in self.document["paths"].items():
            item = self._looked_up(entry, path)
            shared = item.get("parameters") or []
            for method in METHODS:
                operation = item.get(method)
                if isinstance(operation, Mapping):
                    self._operation(f"{method.upper()} {path}", method, str(path), operation, shared)
        if self.document.get("webhooks"):
            self.found.leave_out("webhooks", ", ".join(self.document["webhooks"]))
        self.found.tools = list(self.named.values())
        if not self.found.tools:
            raise UsageError(f"--from-openapi {self.found.source}: none of its operations can become a tool")
        return self.found

    def _looked_up(self, part: Any, where: str) -> Mapping[str, Any]:
        found = self.references.look_up(part)
        self._note_cuts(where)
        return found if isinstance(found, Mapping) else {}

    def _note_cuts(self, where: str) -> None:
        for reason, reference in self.references.cut:
            self.found.leave_out(reason, f"{reference} ({where})")
        self.references.cut.clear()

    def _operation(self, where: str, method: str, path: str, operation: Mapping[str, Any], shared: Any) -> None:
        if method in LEFT_OUT_METHODS:
            self.found.leave_out("operations of HTTP itself", where)
            return
        try:
            self.operation_model.model_validate({key: value for key, value in operation.items() if key != "callbacks"})
        except (ValidationError, RecursionError) as error:
            why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "it is nested too deeply"
            self.found.leave_out("operations that are not valid OpenAPI", f"{where} ({why})")
            return
        name, otherwise = operation.get("operationId"), python_name(f"{method} {path}", "call")
        if not isinstance(name, str) or not name.strip("_- "):
            name = otherwise
            self.found.guess("names of operations without an operationId", f"{where} is {name}")
        free = tool_name(name, self.named, otherwise)
        if free != name:
            self.found.guess("names that are taken, or that providers do not accept", f"{name} is {free}")
        tags = operation.get("tags") or [next((part for part in path.split("/") if part and part[0] != "{"), "other")]
        self.named[free] = ImportedTool(
            free,
            python_name(str(tags[0]), "calls"),
            self._description(where, operation),
            "read" if method in READING else "write",
            self._parameters(where, operation, shared),
            self._returns(operation),
        )

    def _description(self, where: str, operation: Mapping[str, Any]) -> str:
        texts = [str(operation[key]).strip() for key in ("summary", "description") if operation.get(key)]
        text = "\n".join(dict.fromkeys(texts))
        if not text:
            self.found.guess("missing descriptions of operations", where)
            return f"{where}."
        return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"

    def _parameters(self, where: str, operation: Mapping[str, Any], shared: Any) -> dict[str, Mapping[str, Any]]:
        found: dict[str, Mapping[str, Any]] = {}
        declared: dict[tuple[str, str], Mapping[str, Any]] = {}
        for each in [*(shared if isinstance(shared, list) else []), *(operation.get("parameters") or [])]:
            parameter = self._looked_up(each, where)
            if isinstance(parameter.get("name"), str):
                declared[parameter["name"], str(parameter.get("in"))] = parameter
        for (name, place), parameter in declared.items():
            if place in ("header", "cookie"):
                self.found.leave_out("parameters in headers and cookies", f"{name} ({where})")
                continue
            content: Mapping[str, Any] = next(iter((parameter.get("content") or {}).values()), {})
            schema = self._schema(parameter.get("schema", content.get("schema", {})), where)
            about = {"description": str(parameter["description"])} if parameter.get("description") else {}
            required = parameter.get("required") is True or place == "path"
            self._add(found, name, {**schema, **about}, required=required, where=where)
        self._body(found, operation, where)
        return found

    def _body(self, found: dict[str, Mapping[str, Any]], operation: Mapping[str, Any], where: str) -> None:
        body = self._looked_up(operation.get("requestBody"), where)
        contents = body.get("content") or {}
        kinds = [kind for kind in contents if "json" in kind or "form" in kind] if isinstance(contents, Mapping) else []
        if contents and not kinds:
            self.found.leave_out("bodies that are neither JSON nor a form", f"{', '.join(contents)} ({where})")
        if not kinds:
            return
        kind = next((each for each in kinds if "json" in each), kinds[0])
        schema = self._schema((contents[kind] or {}).get("schema", {}), where)
        merged = merged_object(schema)
        needed = body.get("required") is True
        if merged is None:
            self.found.guess("one parameter `body` for bodies that are not plain objects", where)
            self._add(found, "body", schema, required=needed, where=where)
            return
        for name, each in merged["properties"].items():
            self._add(found, str(name), each, required=needed and name in merged["required"], where=where)

    def _add(
        self, found: dict[str, Mapping[str, Any]], name: str, schema: Mapping[str, Any], *, required: bool, where: str
    ) -> None:
        free = tool_name(name, found)
        if free != name:
            self.found.guess("names of parameters", f"{name} is {free} ({where})")
        found[free] = schema if required else {**schema, "optional": True}

    def _schema(self, schema: Any, where: str) -> dict[str, Any]:
        found = self.references.written_out(schema)
        self._note_cuts(where)
        return found

    def _schemas(self) -> dict[str, str]:
        """Import schemas that look like records; return their classes by reference."""
        schemas = (self.document.get("components") or {}).get("schemas") or {}
        classes: dict[str, str] = {}
        for name, schema in schemas.items():
            written = self.references.written_out(schema)
            self.references.cut.clear()  # reported where an operation uses it
            record = merged_object(written)
            if record is None:
                self.found.leave_out("schemas that are not records", str(name))
                continue
            own = class_name(str(name))
            if own not in self.found.records:
                self.found.records[own] = record
                classes[f"#/components/schemas/{name}"] = own
        return classes

    def _returns(self, operation: Mapping[str, Any]) -> str:
        for schema in self._answers(operation):
            items = schema.get("items") if isinstance(schema, Mapping) else None
            if isinstance(schema, Mapping) and schema.get("$ref") in self.schemas:
                return self.schemas[schema["$ref"]]
            if isinstance(items, Mapping) and items.get("$ref") in self.schemas:
                return f"list[{self.schemas[items['$ref']]}]"
        return ""

    def _answers(self, operation: Mapping[str, Any]) -> Iterator[Any]:
        responses = operation.get("responses")
        for code, response in (responses if isinstance(responses, Mapping) else {}).items():
            content = self.references.look_up(response)
            if str(code).startswith("2") and isinstance(content, Mapping):
                for kind, media in (content.get("content") or {}).items():
                    if "json" in str(kind) and isinstance(media, Mapping):
                        yield media.get("schema")


def _operation_model(version: str) -> type[BaseModel]:
    try:
        from openapi_pydantic.v3 import v3_0, v3_1
    except ModuleNotFoundError as error:
        raise MissingExtraError("OpenAPI documents", "openapi-pydantic", "new") from error
    return v3_0.Operation if version.startswith("3.0") else v3_1.Operation
