"""`tau2-gym new-tool`: the YAML entry of a handler."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tau2_core.cli.options import example
from tau2_core.cli.safe_text import say


class ToolKind(StrEnum):
    """What a tool does."""

    READ = "read"
    WRITE = "write"
    THINK = "think"
    GENERIC = "generic"


@example(
    "tau2-gym new bakery",
    'printf \'def greet(db) -> str:\\n    """Greet."""\\n    return "Hello"\\n\' > bakery/handlers/desk.py',
    "tau2-gym new-tool bakery desk:greet",
)
def new_tool(
    pack: Annotated[Path, typer.Argument(help="The folder of a pack.")],
    handler: Annotated[str, typer.Argument(help="The handler, as module:function in the folder `handlers`.")],
    kind: Annotated[ToolKind | None, typer.Option(help="The tool's kind; default: guessed from its code.")] = None,
) -> None:
    """Write a handler's YAML entry from its signature and docstring. From then on only the YAML is read."""
    from tau2_core.packs.folder_domain import folder_domain
    from tau2_core.scaffold.tool_entry import write_tool_entry

    written = write_tool_entry(folder_domain(pack), handler, kind.value if kind else None)
    how = "" if kind else ", by its code"
    say(f"{written.file}:{written.line}: {written.name} (kind {written.kind}{how})")
    for name in written.lacking:
        say(f"parameter {name!r} has no description: write one in the YAML")
