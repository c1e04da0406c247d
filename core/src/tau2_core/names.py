"""Names that users give: suggestions for those that do not exist, and options `NAME=VALUE`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

from tau2_core.errors import UsageError

SHOWN = 20
LONGEST = 200


def close_name(name: str, known: Iterable[str]) -> str:
    """Return the known name that is most similar to this one, "" if none is close."""
    if len(name) > LONGEST:  # comparing long names is slow
        return ""
    close = get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return close[0] if close else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `did you mean 'x'?`, or the list of known names if none is close."""
    names = sorted(known)
    close = close_name(name, names)
    if close:
        return f"did you mean {close!r}?"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"available: {', '.join(names[:SHOWN])}{more}" if names else "there are none"


def named_values(option: str, texts: Iterable[str], known: Collection[str], of: str) -> dict[str, str]:
    """Return the values of `NAME=VALUE` texts of an option. `of` is what knows the names, for errors.

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
