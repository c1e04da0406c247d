"""Prompts: sandboxed Jinja templates of a pack, in which an undefined name is an error."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, TemplateError, TemplateNotFound, TemplateSyntaxError

from tau2_core.foreign import ForeignExit, describe_error, error_text, foreign
from tau2_core.json_values import copy_json
from tau2_core.model.tools import Tool
from tau2_core.packs.sandbox import BoundedSandbox, bounded_work


class PromptError(ValueError):
    """A template that cannot be rendered; says where."""

    def __init__(self, message: str, file: Path, line: int | None) -> None:
        super().__init__(message)
        self.file = file
        self.line = line


def render_prompt(folder: Path, template: str, values: dict[str, Any]) -> str:
    """Render a template of a pack's folder. Raises PromptError with file and line.

    The template gets copies: a tool as what is known of it, without its handler.
    """
    file = folder / template
    try:
        with bounded_work(), foreign():
            return _environment(folder).get_template(template).render(_copied(values))
    except TemplateNotFound as error:
        raise PromptError(f"there is no template {error.name!r}", file, None) from error
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
    """Return a copy of what a template is given, which may be changed without harm."""
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
    """Return what keeps a folder's compiled templates, and compiles one anew when its file has changed."""
    return BoundedSandbox(FileSystemLoader(folder, encoding="utf-8-sig"))


def _place(error: BaseException, folder: Path, file: Path) -> tuple[Path, int | None]:
    place: tuple[Path, int | None] = (file, None)
    trace = (error.__cause__ if isinstance(error, ForeignExit) and error.__cause__ else error).__traceback__
    while trace is not None:
        name = Path(trace.tb_frame.f_code.co_filename)
        if folder in name.parents and name.suffix == ".j2":
            compiled = trace.tb_frame.f_globals.get("__jinja_template__")  # Jinja maps lines of an Exception only
            place = (name, compiled.get_corresponding_lineno(trace.tb_lineno) if compiled else trace.tb_lineno)
        trace = trace.tb_next
    return place
