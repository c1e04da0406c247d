"""Our own commands. Each is built when it is called or listed: building all of them would delay every start."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from typer.main import get_command_from_info
from typer.models import CommandInfo

from tau2_core.cli.command_wrapper import epilog, wrapped_command


class OwnCommands(Mapping[str, Any]):
    """Commands by name, in the order in which they are listed; they are kept once they are built."""

    def __init__(self, *functions: Callable[..., None]) -> None:
        self._functions = {function.__name__.replace("_", "-"): function for function in functions}
        self._built: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._built:
            self._built[name] = _build(name, self._functions[name])
        return self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._functions)

    def __len__(self) -> int:
        return len(self._functions)


def _build(name: str, function: Callable[..., None]) -> Any:
    info = CommandInfo(
        name=name,
        callback=wrapped_command(function),
        short_help=inspect.cleandoc(function.__doc__ or "").partition("\n")[0],  # click would shorten it
        epilog=epilog(vars(function)["example"]),
    )
    return get_command_from_info(info, pretty_exceptions_short=False, rich_markup_mode=None)
