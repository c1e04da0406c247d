"""Texts in a checkout's Python sources, which are parsed and never imported or run."""

from __future__ import annotations

import ast
import inspect
import textwrap
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from string import Formatter

import docstring_parser

from tau2_core.adapters.tau2_bench.files import RESTORE
from tau2_core.episode.solo import DONE
from tau2_core.errors import DatasetError
from tau2_core.model.datasets import ToolText
from tau2_core.model.participants import STOP
from tau2_core.model.tools import Role, Source
from tau2_core.packs.pack_files import matching_files

_TOOLKITS: dict[Role, str] = {"agent": "tools.py", "user": "user_tools.py"}
_METHODS: dict[str, Callable[[str], str]] = {"strip": str.strip, "lstrip": str.lstrip, "rstrip": str.rstrip}
_FUNCTIONS: dict[str, Callable[[str], str]] = {"dedent": textwrap.dedent, "cleandoc": inspect.cleandoc}


@dataclass
class SourceTexts:
    """The texts that were found; `files` holds the source of each part that was found."""

    tools: dict[Role, dict[str, ToolText]] = field(default_factory=dict)
    agent_instruction: str | None = None
    solo_instruction: str | None = None
    opening: str | None = None
    files: dict[str, list[Path]] = field(default_factory=dict)


def read_source_texts(sources: Path, domain: str) -> SourceTexts:
    """Return the texts below a checkout's package folder. Raises DatasetError for a file that cannot be parsed."""
    texts = SourceTexts()
    for role, name in _TOOLKITS.items():
        file = sources / "domains" / domain / name
        if file.is_file() and (tools := _tool_texts(file)):
            texts.tools[role] = tools
            texts.files.setdefault("tools", []).append(file)
    if found := _find_constant(sources / "agent", "llm_agent.py", "AGENT_INSTRUCTION", _literal):
        texts.agent_instruction, texts.files["agent_instruction"] = found[0], [found[1]]
    if found := _find_constant(sources / "agent", "llm_agent.py", "AGENT_SOLO_INSTRUCTION", _filled):
        texts.solo_instruction, texts.files["solo_instruction"] = found[0], [found[1]]
    if found := _find_constant(sources / "orchestrator", "orchestrator.py", "DEFAULT_FIRST_AGENT_MESSAGE", _content):
        texts.opening, texts.files["opening"] = found[0], [found[1]]
    return texts


def _tool_texts(file: Path) -> dict[str, ToolText]:
    texts: dict[str, ToolText] = {}
    classes = [node for node in _parse(file, _read(file)).body if isinstance(node, ast.ClassDef)]
    for method in (node for toolkit in classes for node in toolkit.body):
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and any(map(_marks_tool, method.decorator_list)):
            text = _tool_text(ast.get_docstring(method) or "")
            if text.description:
                texts[method.name] = text
    return texts


def _marks_tool(decorator: ast.expr) -> bool:
    """Tell whether a decorator is one like `@is_tool(…)`, `@tool` or `@toolkit.tool()`."""
    match decorator.func if isinstance(decorator, ast.Call) else decorator:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name == "tool" or name.endswith("_tool")
    return False


def _tool_text(docstring: str) -> ToolText:
    parsed = docstring_parser.parse(docstring)
    parts = (parsed.short_description, parsed.long_description)
    parameters = {each.arg_name: each.description for each in parsed.params if each.description}
    return ToolText("\n\n".join(part for part in parts if part), parameters)


def _find_constant(
    folder: Path, preferred: str, name: str, text_of: Callable[[ast.expr], str | None]
) -> tuple[str, Path] | None:
    """Find a module-level constant in the first file that defines it, literal or not."""
    for file in sorted(matching_files(folder, "*.py"), key=lambda file: (file.name != preferred, file.name)):
        content = _read(file)
        # A file that does not contain the name is not parsed, so errors in it do not matter.
        value = _assigned(_parse(file, content), name) if name.encode() in content else None
        if value is not None:
            text = text_of(value)
            return (text, file) if text else None
    return None


def _assigned(module: ast.Module, name: str) -> ast.expr | None:
    found = None
    for statement in module.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                found = value
            case ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value) if target == name:
                found = value
    return found


def _content(message: ast.expr) -> str | None:
    keywords = message.keywords if isinstance(message, ast.Call) else []
    return next((_literal(keyword.value) for keyword in keywords if keyword.arg == "content"), None)


def _filled(node: ast.expr) -> str | None:
    """Return a literal with the stop function and stop token filled in; None if it has other placeholders."""
    text = _literal(node)
    try:
        gaps = [] if text is None else [name for _, name, *_ in Formatter().parse(text) if name is not None]
    except ValueError:  # braces that are not placeholders
        return text
    words = {name: STOP if "token" in name else DONE for name in gaps if name.isidentifier() and "stop" in name}
    return None if text is None or len(words) < len(set(gaps)) else text.format(**words)


def _literal(node: ast.expr) -> str | None:
    """Return the value of an expression of string literals, None if it contains anything else."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return _joined(parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _joined((left, right))
        case ast.Call(func=ast.Attribute(value=value, attr=name), args=[], keywords=[]) if name in _METHODS:
            return _applied(_METHODS[name], value)
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[value]) if name in _FUNCTIONS:
            return _applied(_FUNCTIONS[name], value)
    return None


def _joined(parts: Iterable[ast.expr]) -> str | None:
    texts = [_literal(part) for part in parts]
    known = [text for text in texts if text is not None]
    return "".join(known) if len(known) == len(texts) else None


def _applied(change: Callable[[str], str], node: ast.expr) -> str | None:
    text = _literal(node)
    return None if text is None else change(text)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read: {error.strerror}") from error


def _parse(file: Path, content: bytes) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # do not show warnings about another project's escapes
            return ast.parse(content, str(file))
    except (SyntaxError, ValueError) as error:  # ValueError: a null byte, before Python 3.12
        line, reason = (error.lineno, error.msg) if isinstance(error, SyntaxError) else (None, str(error))
        advice = f"{RESTORE}, or remove it to use our own texts"
        raise DatasetError(f"{Source(file, line)}: cannot be parsed as Python: {reason}; {advice}") from error
