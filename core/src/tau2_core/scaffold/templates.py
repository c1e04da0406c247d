"""Templates of a new pack's files. Delimiters are `<< >>` and `<% %>`, since the files may contain Jinja themselves."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

FOLDER = Path(__file__).parent / "templates"
SUFFIX = ".j2"
SCHEMAS = "schemas"


def template_files(kind: str) -> list[str]:
    """Return the files of a folder of templates, by their path in the pack."""
    files = (FOLDER / kind).rglob(f"*{SUFFIX}")
    return sorted(file.relative_to(FOLDER / kind).as_posix().removesuffix(SUFFIX) for file in files)


def render(kind: str, name: str, target: str, values: Mapping[str, Any]) -> str:
    """Render the template of a file at `target` below the new folder."""
    environment = Environment(  # noqa: S701 - the output is Python and YAML, not HTML
        loader=FileSystemLoader(FOLDER / kind, encoding="utf-8"),
        undefined=StrictUndefined,
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    text: str = environment.get_template(f"{name}{SUFFIX}").render(values, schema_line=schema_line_for(target))
    return text


def schema_line_for(target: str) -> Callable[[str], str]:
    """Return a function for the comment by which editors find the schema of a file at `target`."""

    def schema_line(schema: str) -> str:
        path = os.path.relpath(f"{SCHEMAS}/{schema}.json", PurePosixPath(target).parent)
        return f"# yaml-language-server: $schema={PurePosixPath(path)}"

    return schema_line
