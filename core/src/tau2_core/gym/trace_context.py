"""The trace context of an MCP client's request, so that its call can join the client's trace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import context as current
from opentelemetry import propagate


@contextmanager
def trace_context_of(meta: Mapping[str, Any] | None, headers: Mapping[str, str]) -> Iterator[None]:
    """Use the context that a request carries within the block: that of `_meta` as MCP says, or else of HTTP's headers.

    An invalid trace context is ignored.
    """
    texts = {name: value for name, value in (meta or {}).items() if isinstance(value, str)}
    carrier = texts if "traceparent" in texts else headers
    token = current.attach(propagate.extract(carrier))
    try:
        yield
    finally:
        current.detach(token)
