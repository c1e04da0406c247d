"""Collecting the problems of a pack, so that all of them are reported at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from tau2_core.errors import Problem
from tau2_core.foreign_code import describe_error, foreign
from tau2_core.model.tools import Source
from tau2_core.name_suggestions import close_name
from tau2_core.packs.conversions import Conversions
from tau2_core.packs.source_error import SourceError
from tau2_core.packs.source_files import SourceFiles
from tau2_core.packs.yaml_source import Document, YamlPath
from tau2_core.problem_kinds import ProblemKind
from tau2_core.validation_errors import dotted

ModelT = TypeVar("ModelT", bound=BaseModel)
Parsed = TypeVar("Parsed")
# characters of an entry's name in a message; entries with longer names are identified by their index
_LONGEST_NAME = 100


class Problems:
    """The problems of one pack, in the order in which they were found; its files are read from `sources`."""

    def __init__(self, pack: str, sources: SourceFiles | None = None) -> None:
        self.pack = pack
        self.sources = sources or SourceFiles()
        self.found: list[Problem] = []

    def add(
        self,
        file: Path,
        kind: ProblemKind,
        message: str,
        *,
        line: int | None = None,
        hint: str = "",
        replace: tuple[str, str] = ("", ""),
    ) -> None:
        """Note a problem, once. `replace` is a word of the line and its replacement, ("", "") if none is certain."""
        problem = Problem(self.pack, kind, file, message, line, hint, replace if all(replace) else None)
        if problem not in self.found:
            self.found.append(problem)

    def at(
        self, source: Source, kind: ProblemKind, message: str, *, hint: str = "", replace: tuple[str, str] = ("", "")
    ) -> None:
        """Note a problem at a place, as `add` does."""
        self.add(source.file, kind, message, line=source.line, hint=hint, replace=replace)

    def read(self, file: Path, *, named_by: Source | None = None) -> Document | None:
        """Parse a YAML file. If that fails, note the problem and return None."""
        try:
            document = self.sources.document(file)
        except SourceError as error:
            self.add(
                file,
                ProblemKind.SYNTAX,
                str(error),
                line=error.line,
                hint=f"correct the {'JSON' if file.suffix == '.json' else 'YAML'}",
            )
        except OSError as error:
            where = named_by or Source(file)
            self.at(
                where,
                ProblemKind.MISSING_FILE,
                f"cannot read {file}: {error.strerror}",
                hint="create the file, or correct the path",
            )
        else:
            for repeat in document.repeats:
                self.add(
                    file,
                    ProblemKind.REPEATED_KEY,
                    str(repeat),
                    line=repeat.line,
                    hint="rename one of them, or remove it",
                )
            return document
        return None

    def validate(self, model: type[ModelT], document: Document, value: Any, path: YamlPath = ()) -> ModelT | None:
        """Build a model from a part of a document. If that fails, note every problem by line and return None.

        Unknown keys are a problem here, even if the model accepts them in files from elsewhere, and so is text in place
        of a number or a bool.
        """
        try:
            found = model.model_validate(value, extra="forbid")
        except ValidationError as error:
            self.note(error, document, path, model)
            return None
        converted = Conversions().look(value, found, path).converted
        for each in converted:
            self.add(
                document.file,
                ProblemKind.WRONG_VALUE,
                f"{_named(each.path, document)}: {each}",
                line=document.line(each.path),
            )
        return None if converted else found

    def note(
        self, error: ValidationError, document: Document, path: YamlPath = (), model: type[BaseModel] | None = None
    ) -> None:
        """Note each of pydantic's errors by line. With the `model`, unknown keys get a hint with its known keys."""
        details = error.errors(include_url=False)
        unknown = {detail["loc"] for detail in details if detail["type"] == "extra_forbidden"}
        for detail in details:
            where = tuple(part for part in detail["loc"] if isinstance(part, str | int))
            siblings = [str(each[-1]) for each in unknown if each[:-1] == detail["loc"][:-1]]
            if detail["type"] == "missing" and where and close_name(str(where[-1]), siblings):
                continue  # it is misspelt; the unknown key is noted instead
            name = _named((*path, *where), document)
            message, hint = f"{name}: {detail['msg']}", ""
            replace = ("", "")
            kind = ProblemKind.MISSING_KEY if detail["type"] == "missing" else ProblemKind.WRONG_VALUE
            if detail["type"] == "extra_forbidden":
                kind, message = ProblemKind.UNKNOWN_KEY, f"{name}: there is no such key"
                keys = keys_at(model, where[:-1]) if model else []
                hint = _allowed(str(where[-1]), keys) if keys else ""
                replace = (str(where[-1]), close_name(str(where[-1]), keys))
            elif detail["type"] in ("model_type", "dict_type"):
                message = f"{name}: should be a mapping of keys to values"
            elif detail["type"] == "string_pattern_mismatch" and (form := _form(model, where)):
                message = f"{name}: should be {form}, not {detail['input']!r}"
            elif not isinstance(detail["input"], dict | list):
                message += f", not {detail['input']!r}"
            self.add(document.file, kind, message, line=document.line((*path, *where)), hint=hint, replace=replace)

    def guard(
        self, source: Source, kind: ProblemKind, what: str, load: Callable[[], Parsed], *, hint: str = ""
    ) -> Parsed | None:
        """Run foreign code; note whatever it raises."""
        try:
            with foreign():
                return load()
        except Exception as error:  # noqa: BLE001 - a pack's code may raise anything; it is reported
            self.at(source, kind, f"{what}: {describe_error(error)}", hint=hint)
            return None

    def extend(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            if problem not in self.found:
                self.found.append(problem)


def keys_at(model: Any, path: YamlPath) -> list[str]:
    """Return the keys that a part of a model may have; [] if any are allowed."""
    for part in path:
        model = _inner(model)
        if isinstance(model, type) and issubclass(model, BaseModel):
            field = model.model_fields.get(str(part))
            model = field.annotation if field else None
        else:
            arguments = get_args(model)
            model = arguments[-1] if arguments else None
    model = _inner(model)
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _allowed(key: str, keys: list[str]) -> str:
    close = close_name(key, keys)
    suggestion = f"did you mean {close!r}? " if close else ""
    return f"{suggestion}Known keys: {', '.join(keys)}"


def _inner(annotation: Any) -> Any:
    """Return the type in an optional annotation; None for a union of several types."""
    if get_origin(annotation) is Annotated:
        return _inner(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        options = [each for each in get_args(annotation) if each is not type(None)]
        return _inner(options[0]) if len(options) == 1 else None
    return annotation


def _form(model: Any, where: YamlPath) -> str:
    """Return the form of a text that a model's field describes, without the final full stop; "" if it is unknown."""
    for part in where[:-1]:
        model = _inner(model)
        model = model.model_fields[str(part)].annotation if str(part) in getattr(model, "model_fields", ()) else None
    field = getattr(_inner(model), "model_fields", {}).get(str(where[-1])) if where else None
    return (field.description or "").rstrip(".") if field else ""


def _named(path: YamlPath, document: Document) -> str:
    """Return the path of a value for a message; an entry of a list is named by its `id` or `name`, if it has one."""
    value, parts = document.value, []
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            value = None
        name = (value.get("id") or value.get("name")) if isinstance(part, int) and isinstance(value, dict) else None
        parts.append(name if isinstance(name, str) and len(name) <= _LONGEST_NAME else part)
    return dotted(parts) or "the file"
