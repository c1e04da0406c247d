"""Creating a pack from a domain written in Python for tau2-bench."""

from __future__ import annotations

from tau2_core.adapters.tau2_python.pack_text import guessed, pack_text
from tau2_core.adapters.tau2_python.source import read_source
from tau2_core.errors import UsageError
from tau2_core.scaffold.new_pack import add_files, finish_package, template_values
from tau2_core.scaffold.pack_name import PackName
from tau2_core.scaffold.templates import schema_line_for

_SCHEMAS = {
    "domain.yaml": "domain",
    "tools/agent.yaml": "tools",
    "tools/user.yaml": "tools",
    "tools/functions.yaml": "functions",
    "data/tasks/tasks.yaml": "tasks",
    "data/splits.yaml": "splits",
}


def wrapped_pack(name: PackName, target: str) -> tuple[dict[str, str], list[str]]:
    """Return the files of a pack that wraps a domain, by their path below its folder, and notes for the user.

    Raises UsageError if the domain cannot be wrapped.
    """
    try:
        source = read_source(target)
    except UsageError as error:
        raise UsageError(f"--from-tau2 {error}") from error
    folder = f"src/{name.package}/" if name.distributed else ""
    values = template_values(name)
    files: dict[str, str] = {}
    add_files(files, "wrapped", name, values)
    for path, text in pack_text(source, name.domain).items():
        line = f"{schema_line_for(folder + path)(_SCHEMAS[path])}\n" if path in _SCHEMAS else ""
        files[f"{folder}{path}"] = line + text
    finish_package(files, name, values)
    tools = sum(map(len, source.tools.values()))
    notes = [
        guessed(source.tasks),
        source.domain.note(),
        *([f"to do: name the package of {source.wraps} under `dependencies`"] if name.distributed else []),
        f"wrapped: {tools} tools, {len(source.functions)} functions, {len(source.tasks)} tasks",
    ]
    return dict(sorted(files.items())), notes
