"""Prompts: sandboxed Jinja templates of a pack, in which an undefined name is an error."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, TemplateError, TemplateNotFound, TemplateSyntaxError
from jinja2.sandbox import SandboxedEnvironment


class PromptError(ValueError):
    """A template that cannot be rendered; says where."""

    def __init__(self, message: str, file: Path, line: int | None) -> None:
        super().__init__(message)
        self.file = file
        self.line = line


def render_prompt(folder: Path, template: str, values: dict[str, Any]) -> str:
    """Render a template of a pack's folder. Raises PromptError with file and line."""
    file = folder / template
    try:
        return _environment(folder).get_template(template).render(values)
    except TemplateNotFound as error:
        raise PromptError(f"there is no template {error.name!r}", file, None) from error
    except TemplateSyntaxError as error:
        raise PromptError(error.message or "bad syntax", Path(error.filename or file), error.lineno) from error
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise PromptError(str(error), *_place(error, folder, file)) from error


@lru_cache(maxsize=64)
def _environment(folder: Path) -> SandboxedEnvironment:
    """Return what keeps a folder's compiled templates, and compiles one anew when its file has changed."""
    return SandboxedEnvironment(
        loader=FileSystemLoader(folder), undefined=StrictUndefined, keep_trailing_newline=False, trim_blocks=True
    )


def _place(error: BaseException, folder: Path, file: Path) -> tuple[Path, int | None]:
    place: tuple[Path, int | None] = (file, None)
    trace = error.__traceback__
    while trace is not None:
        name = Path(trace.tb_frame.f_code.co_filename)
        if folder in name.parents and name.suffix == ".j2":
            place = (name, trace.tb_lineno)
        trace = trace.tb_next
    return place
