"""Texts of task families: sandboxed Jinja templates in YAML, in which an undefined name is an error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import Template, TemplateError
from jinja2.meta import find_undeclared_variables

from tau2_core.foreign_code import describe_error, error_text, foreign
from tau2_core.packs.template_sandbox import BoundedSandbox, bounded_work
from tau2_core.packs.yaml_source import YamlPath


class TextError(ValueError):
    """A text that cannot be rendered; carries its path."""

    def __init__(self, message: str, path: YamlPath) -> None:
        super().__init__(message)
        self.path = path


class Templates:
    """Renders the texts in nested data; each template is compiled once."""

    def __init__(self) -> None:
        self._jinja = BoundedSandbox(keep_trailing_newline=True)
        self._compiled: dict[str, Template] = {}

    def render(self, value: Any, facts: Mapping[str, Any], path: YamlPath = ()) -> Any:
        """Return a copy of nested data with every text rendered. Raises TextError."""
        if isinstance(value, dict):
            return {key: self.render(item, facts, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.render(item, facts, (*path, index)) for index, item in enumerate(value)]
        return self._text(value, facts, path) if isinstance(value, str) and "{" in value else value

    def _text(self, text: str, facts: Mapping[str, Any], path: YamlPath) -> str:
        try:
            if text not in self._compiled:
                self._compiled[text] = self._jinja.from_string(text)
            with bounded_work(), foreign():
                return self._compiled[text].render(facts)
        except Exception as error:
            words = error_text(error) if isinstance(error, TemplateError) else describe_error(error)
            raise TextError(words, path) from error

    def names(self, value: Any, path: YamlPath = ()) -> Iterator[tuple[YamlPath, frozenset[str]]]:
        """Yield the path of each text in nested data with its variables. Raises TextError for bad syntax."""
        if isinstance(value, dict):
            for key, item in value.items():
                yield from self.names(item, (*path, key))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from self.names(item, (*path, index))
        elif isinstance(value, str) and "{" in value:
            try:
                yield path, frozenset(find_undeclared_variables(self._jinja.parse(value)))
            except TemplateError as error:
                raise TextError(str(error), path) from error
