"""Prompts: a pack's sandboxed Jinja templates, in which an undefined name is an error."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, TemplateError, TemplateNotFound, TemplateSyntaxError

from tau2_core.foreign_code import ForeignExit, describe_error, error_text, foreign
from tau2_core.json_values import copy_json
from tau2_core.model.tools import Tool
from tau2_core.packs.template_sandbox import BoundedSandbox, bounded_work


class PromptError(ValueError):
    """A template that cannot be rendered; carries the location."""

    def __init__(self, message: str, file: Path, line: int | None) -> None:
        super().__init__(message)
        self.file = file
        self.line = line


def render_prompt(folder: Path, template: str, values: dict[str, Any]) -> str:
    """Render a template of a pack's folder. Raises PromptError with file and line.

    The template gets copies of the values, and tools without their handlers.
    """
    file = folder / template
    try:
        with bounded_work(), foreign():
            return _environment(folder).get_template(template).render(_copied(values))
    except TemplateNotFound as error:
        raise PromptError(f"there is no template {error.name!r}", *_place(error, folder, file)) from error
    except TemplateSyntaxError as error:
        raise PromptError(error.message or "bad syntax", Path(error.filename or file), error.lineno) from error
    except Exception as error:
        words = error_text(error) if isinstance(error, TemplateError) else describe_error(error)
        raise PromptError(words, *_place(error, folder, file)) from error


@dataclass(frozen=True, slots=True)
class ShownTool:
    """A tool as templates see it."""

    name: str
    role: str
    description: str
    parameters: Any
    kind: str
    mutates: bool
    transfers: bool


def _copied(value: Any) -> Any:
    """Return a copy of a value for a template, which may be changed without side effects."""
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(item) for item in value]
    if isinstance(value, Tool):
        parameters = copy_json(dict(value.parameters))
        return ShownTool(
            value.name, value.role, value.description, parameters, value.kind, value.mutates, value.transfers
        )
    return value


@lru_cache(maxsize=64)
def _environment(folder: Path) -> BoundedSandbox:
    """Return the Jinja environment of a folder, which caches compiled templates until their files change."""
    return BoundedSandbox(FileSystemLoader(folder, encoding="utf-8-sig"))


def _place(error: BaseException, folder: Path, file: Path) -> tuple[Path, int | None]:
    place: tuple[Path, int | None] = (file, None)
    trace = (error.__cause__ if isinstance(error, ForeignExit) and error.__cause__ else error).__traceback__
    while trace is not None:
        name = Path(trace.tb_frame.f_code.co_filename)
        if folder in name.parents and name.suffix == ".j2":
            compiled = trace.tb_frame.f_globals.get("__jinja_template__")  # Jinja maps lines only for an Exception
            place = (name, compiled.get_corresponding_lineno(trace.tb_lineno) if compiled else trace.tb_lineno)
        trace = trace.tb_next
    return place
