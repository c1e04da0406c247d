"""Reading the forms that pages submit."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import Request
from tau2_core.errors import UsageError

LONGEST_FORM = 2_000_000  # bytes


async def read_form(request: Request) -> dict[str, str]:
    """Return a form's fields. Raises UsageError if the form is too long."""
    body, length = b"", 0
    async for chunk in request.stream():
        length += len(chunk)
        if length <= LONGEST_FORM:
            body += chunk
    if length > LONGEST_FORM:  # read to its end, or the browser would see no answer
        raise UsageError(f"the form is longer than {LONGEST_FORM:,} bytes")
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
