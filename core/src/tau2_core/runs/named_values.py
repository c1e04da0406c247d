"""Options of the form `NAME=VALUE`."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from tau2_core.errors import UsageError
from tau2_core.name_suggestions import did_you_mean


def named_values(option: str, texts: Iterable[str], known: Collection[str], of: str) -> dict[str, str]:
    """Return the values of `NAME=VALUE` texts of an option. `of` names the owner of the options in errors.

    Raises UsageError for another form or an unknown name.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"{option} {text}: should read NAME=VALUE")
        if name not in known:
            hint = did_you_mean(name, known) if known else "it has none"
            raise UsageError(f"{option} {text}: {of} has no option {name!r} ({hint})")
        found[name] = value
    return found
