"""Texts that a checkout keeps in its Python sources; they are parsed, and never imported or run."""

from __future__ import annotations

import ast
import inspect
import textwrap
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import docstring_parser

from tau2_core.adapters.tau2_bench.files import RESTORE
from tau2_core.errors import DatasetError
from tau2_core.model.datasets import ToolText
from tau2_core.model.tools import Source

_CLEANERS: dict[str, Callable[[str], str]] = {"dedent": textwrap.dedent, "cleandoc": inspect.cleandoc}


@dataclass(frozen=True, slots=True)
class FoundText:
    """A text, and the file that it stands in."""

    text: str
    file: Path


def read_tool_texts(file: Path) -> dict[str, ToolText]:
    """Return what the docstrings of a module's toolkit classes say, by tool. Raises DatasetError on a syntax error."""
    texts: dict[str, ToolText] = {}
    classes = [node for node in _parse(file, _bytes(file)).body if isinstance(node, ast.ClassDef)]
    for method in (node for toolkit in classes for node in toolkit.body):
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and any(map(_marks_tool, method.decorator_list)):
            text = _tool_text(ast.get_docstring(method) or "")
            if text.description:
                texts[method.name] = text
    return texts


def find_agent_instruction(folder: Path) -> FoundText | None:
    """Return the text agent's instruction, or None if no literal holds it. Raises DatasetError on a syntax error."""
    return _find_constant(folder, "llm_agent.py", "AGENT_INSTRUCTION", literal)


def find_opening(folder: Path) -> FoundText | None:
    """Return the agent's first line, or None if no literal holds it. Raises DatasetError on a syntax error."""
    return _find_constant(folder, "orchestrator.py", "DEFAULT_FIRST_AGENT_MESSAGE", _content)


def literal(node: ast.expr) -> str | None:
    """Return the text that an expression made of string literals stands for, or None if it holds anything else."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return _joined(parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _joined((left, right))
        case ast.Call(func=ast.Attribute(value=value, attr="strip" | "lstrip" | "rstrip" as name), args=[], keywords=[]):
            inner = literal(value)
            return None if inner is None else {"strip": inner.strip, "lstrip": inner.lstrip, "rstrip": inner.rstrip}[name]()
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[value], keywords=[]) if name in _CLEANERS:
            inner = literal(value)
            return None if inner is None else _CLEANERS[name](inner)
    return None


def _joined(parts: Iterable[ast.expr]) -> str | None:
    texts = [literal(part) for part in parts]
    known = [text for text in texts if text is not None]
    return "".join(known) if len(known) == len(texts) else None


def _content(node: ast.expr) -> str | None:
    if not isinstance(node, ast.Call):
        return None
    return next((literal(keyword.value) for keyword in node.keywords if keyword.arg == "content"), None)


def _find_constant(folder: Path, preferred: str, name: str, text_of: Callable[[ast.expr], str | None]) -> FoundText | None:
    """Look for a module-level constant; the first file that defines it decides, whether or not it is a literal."""
    for file in sorted(folder.glob("*.py"), key=lambda file: (file.name != preferred, file.name)):
        content = _bytes(file)
        # A file that never names the constant is not parsed: whatever is wrong there is none of our concern.
        value = _assigned(_parse(file, content), name) if name.encode() in content else None
        if value is not None:
            text = text_of(value)
            return FoundText(text, file) if text else None
    return None


def _assigned(module: ast.Module, name: str) -> ast.expr | None:
    found = None
    for statement in module.body:
        match statement:
            case ast.Assign(targets=targets, value=value) if any(_is_name(target, name) for target in targets):
                found = value
            case ast.AnnAssign(target=ast.Name(id=target_name), value=ast.expr() as value) if target_name == name:
                found = value
    return found


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _marks_tool(decorator: ast.expr) -> bool:
    """Tell whether a decorator is one like `@is_tool(…)`, `@tool` or `@toolkit.tool()`."""
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    name = function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    return name == "tool" or name.endswith("_tool")


def _tool_text(docstring: str) -> ToolText:
    parsed = docstring_parser.parse(docstring)
    parts = (parsed.short_description, parsed.long_description)
    parameters = {each.arg_name: each.description for each in parsed.params if each.description}
    return ToolText("\n\n".join(part for part in parts if part), parameters)


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read: {error.strerror}") from error


def _parse(file: Path, content: bytes) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # another project's odd escapes are not for our users to see
            return ast.parse(content, str(file))
    except (SyntaxError, ValueError) as error:
        line = error.lineno if isinstance(error, SyntaxError) else None
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        advice = f"{RESTORE}, or remove it: our own texts then serve"
        raise DatasetError(f"{Source(file, line)}: not Python that can be parsed: {reason}; {advice}") from error
