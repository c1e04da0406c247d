"""Suggestions for names that do not exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

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
