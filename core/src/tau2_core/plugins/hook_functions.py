"""The functions behind implementations of hooks, which may take fewer arguments than the hook has."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from tau2_core.hookspecs import Proceed

if TYPE_CHECKING:
    from tau2_core.model.messages import ToolCall

Wrapper = Callable[["ToolCall", Proceed], Any]


def wrapper_of(implementation: Any) -> Wrapper:
    """Return a tool-call wrapper, which may take its arguments in another order or only one of them."""
    function: Callable[..., Any] = implementation.function
    names = implementation.argnames
    if names == ("call", "proceed"):
        return function

    @wraps(function)
    def wrapper(call: ToolCall, proceed: Proceed) -> Any:
        return function(**{name: {"call": call, "proceed": proceed}[name] for name in names})

    return wrapper


def listener_of(implementation: Any) -> Callable[[Any], object]:
    """Return a listener, which may lack the parameter."""
    function: Callable[..., object] = implementation.function
    if implementation.argnames:
        return function

    @wraps(function)
    def listen(_subject: Any) -> object:
        return function()

    return listen
