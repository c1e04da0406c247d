"""A Jinja sandbox with a limit on work: a pack's template can neither change its values nor run for long."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from itertools import chain
from typing import Any

from jinja2 import BaseLoader, StrictUndefined, Template, nodes, pass_context
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_STEPS = 100_000  # loop iterations, calls, filters and operations per rendering
MAX_SIZE = 1_000_000  # characters of a text or entries of a list
MAX_NUMBER = 10_000  # as an argument, where it may be a width or a count
MAX_BITS = 1024
_WIDE = re.compile(r"\d{5}|\*")


class WorkError(SecurityError):
    """A template does more work than a prompt needs."""


_steps: ContextVar[list[int]] = ContextVar("steps")


@contextmanager
def bounded_work() -> Iterator[None]:
    """Count the steps of templates that are rendered in the block."""
    token = _steps.set([0])
    try:
        yield
    finally:
        _steps.reset(token)


def _step(count: int = 1) -> None:
    steps = _steps.get(None)
    if steps is None:
        return
    steps[0] += count
    if steps[0] > MAX_STEPS:
        raise WorkError(f"the template takes more than {MAX_STEPS:,} steps; shorten its loops and recursion")


def _checked(value: Any) -> Any:
    if isinstance(value, str | bytes | list | tuple | dict) and len(value) > MAX_SIZE:
        raise WorkError(f"the template makes a {type(value).__name__} of more than {MAX_SIZE:,} entries")
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise WorkError("the template makes a number that is too large")
    return value


def _check_arguments(values: Iterable[Any]) -> None:
    """Refuse arguments from which a filter or method could build something huge."""
    size = 1
    for value in values:
        if isinstance(value, int) and abs(value) > MAX_NUMBER:
            raise WorkError(f"the template gives a number above {MAX_NUMBER:,} as an argument")
        if isinstance(value, Sized):
            _step(len(value) // 1000)
            size *= max(1, len(value))
    if size > 10 * MAX_SIZE:
        raise WorkError("the template combines values that are too large")


class _Generator(CodeGenerator):
    """Compiles string concatenation to `concat`, which has a limit."""

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802 - Jinja's name
        self.write("environment.concat(map(str, (")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write(")))")


def _counted(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        _step()
        yield value


@pass_context
def _turns(_context: Context, values: Iterable[Any]) -> Iterator[Any]:
    """Count the iterations of a loop. The context parameter keeps Jinja from evaluating this at compile time."""
    return _counted(values)


class BoundedSandbox(ImmutableSandboxedEnvironment):
    """An environment whose templates only read their values, and stop with WorkError if they do too much work."""

    intercepted_binops = frozenset({"+", "*", "**", "%", "//"})
    code_generator_class = _Generator

    def __init__(self, loader: BaseLoader | None = None, *, keep_trailing_newline: bool = False) -> None:
        super().__init__(
            loader=loader,
            undefined=StrictUndefined,
            keep_trailing_newline=keep_trailing_newline,
            trim_blocks=True,
        )
        self.filters = {name: _bounded_filter(original) for name, original in self.filters.items()}
        self.filters["_turns"] = _turns
        self.globals.pop("lipsum", None)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, "_turns", [], [], None, None, lineno=loop.iter.lineno)
            loop.iter.set_environment(self)
        return tree

    @staticmethod
    def concat(parts: Iterable[str]) -> str:
        """Join texts up to the maximum size."""
        found: list[str] = []
        size = 0
        for part in parts:
            found.append(part)
            size += len(part)
            if size > MAX_SIZE:
                raise WorkError(f"the template makes a text of more than {MAX_SIZE:,} characters")
        _step(1 + size // 1000)
        return "".join(found)

    def call(self, context: Context, target: Any, /, *args: Any, **kwargs: Any) -> Any:
        _step()
        owner = getattr(target, "__self__", None)
        if target is not self.globals.get("range"):  # which has its own limit
            _check_arguments(chain((owner,), args, kwargs.values()))
        return _checked(super().call(context, target, *args, **kwargs))

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        found = super().wrap_str_format(value)
        if found is not None and _WIDE.search(value.__self__):
            raise WorkError("the template formats a column that is too wide")
        return found

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        _step()
        if operator == "*":
            for value, count in ((left, right), (right, left)):
                if isinstance(value, Sized) and isinstance(count, int) and len(value) * count > MAX_SIZE:
                    raise WorkError(f"the template makes a {type(value).__name__} of more than {MAX_SIZE:,} entries")
        whole = isinstance(left, int) and isinstance(right, int)
        if operator == "**" and whole and left.bit_length() * right > MAX_BITS:
            raise WorkError("the template makes a number that is too large")
        if operator == "%" and isinstance(left, str) and _WIDE.search(left):
            raise WorkError("the template formats a column that is too wide")
        return _checked(super().call_binop(context, operator, left, right))

    def get_template(self, *args: Any, **kwargs: Any) -> Template:
        _step(100)  # a template may include itself
        return super().get_template(*args, **kwargs)


def _bounded_filter(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def bounded(*args: Any, **kwargs: Any) -> Any:
        _step()
        given = [each for each in args if not isinstance(each, Context)]
        if original.__name__ == "do_format" and _WIDE.search(str(next((g for g in given if isinstance(g, str)), ""))):
            raise WorkError("the template formats a column that is too wide")
        _check_arguments(chain((value for value in given[1:]), kwargs.values()))
        for value in given[:1]:
            if isinstance(value, Sized):
                _step(len(value) // 10)
        result = original(*args, **kwargs)
        return _counted(result) if isinstance(result, Iterator) else _checked(result)

    return bounded
