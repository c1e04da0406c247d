"""Silent changes by validation: text converted to a number or a bool, and keys without a field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from pydantic import AliasChoices, AliasPath, BaseModel

from tau2_core.packs.source_error import SourcePath

_SCALARS = frozenset({str, int, float, bool, type(None)})


@dataclass(frozen=True)
class Converted:
    """A value that was silently converted to another type; `wanted` describes the right one."""

    path: SourcePath
    given: Any
    wanted: str

    def __str__(self) -> str:
        return f"should be {self.wanted}, not {self.given!r}"


@dataclass
class Conversions:
    """The changes that `look` found: converted values, and unknown keys with the type that lacks the field."""

    converted: list[Converted] = field(default_factory=list)
    unknown: list[tuple[SourcePath, str]] = field(default_factory=list)

    def look(self, given: Any, value: Any, path: SourcePath = ()) -> Conversions:
        """Compare parsed data with the validated value, part by part; return self."""
        kind = value.__class__
        if kind is given.__class__ and kind in _SCALARS:
            return self
        if kind is bool:
            self._note(path, given, "true or false")
        elif kind is int or kind is float:
            if isinstance(given, str | bool):
                self._note(path, given, "a whole number" if kind is int else "a number")
        elif isinstance(given, dict):
            self._mapping(given, value, path)
        elif isinstance(given, list) and isinstance(value, list | tuple) and len(given) == len(value):
            for index, item in enumerate(given):
                self.look(item, value[index], (*path, index))
        return self

    def _note(self, path: SourcePath, given: Any, wanted: str) -> None:
        self.converted.append(Converted(path, given, wanted))

    def _mapping(self, given: dict[str, Any], value: Any, path: SourcePath) -> None:
        if isinstance(value, Mapping):
            names: Mapping[str, str] = {}
            parts: Mapping[Any, Any] = value
        elif isinstance(value, BaseModel):
            parts = value.__dict__ | (value.__pydantic_extra__ or {})
            names = {} if given.keys() <= parts.keys() else _aliases(type(value))
        elif is_dataclass(value):
            parts, names = {each.name: getattr(value, each.name) for each in fields(value)}, {}
        else:
            return
        for key, item in given.items():
            name = names.get(key, key)
            if name not in parts:
                if not isinstance(value, Mapping) or all(isinstance(each, str) for each in value):
                    self.unknown.append(((*path, key), type(value).__name__))
                continue
            part = parts[name]
            if part.__class__ is not item.__class__ or part.__class__ not in _SCALARS:
                self.look(item, part, (*path, key))


def _aliases(model: type[BaseModel]) -> dict[str, str]:
    """Return the fields of a model by their aliases."""
    found: dict[str, str] = {}
    for name, info in model.model_fields.items():
        for alias in (info.alias, info.validation_alias):
            choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
            for choice in choices:
                key = choice.path[0] if isinstance(choice, AliasPath) else choice
                if isinstance(key, str):
                    found[key] = name
    return found
