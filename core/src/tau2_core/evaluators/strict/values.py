"""Values that an agent must communicate: their kind, and whether a text states them with boundaries around them."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

# A message that names more values of a kind than this lists them; it does not state one.
MOST_VALUES = 12

_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\w]|\.\d)")
_MONTHS = "january february march april may june july august september october november december".split()  # noqa: SIM905
_ISO_DATE = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_MONTH = f"({'|'.join(_MONTHS)})"
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_MONTH_FIRST = re.compile(rf"\b{_MONTH}\s+{_DAY}\b", re.IGNORECASE)
_DAY_FIRST = re.compile(rf"\b{_DAY}\s+(?:of\s+)?{_MONTH}\b", re.IGNORECASE)


def states(text: str, value: str) -> str:
    """Say how a text fails to state a value; "" if it states it.

    Numbers and money are compared as numbers (1,234.50 is 1234.5), dates as dates, anything else as words, without
    regard to case, and never inside a longer word or number.
    """
    number = _as_number(value)
    if number is not None:
        found = [_as_number(match.group()) for match in _NUMBER.finditer(text)]
        return _stated(number, found)
    date = _dates(value)
    if len(date) == 1 and _ISO_DATE.fullmatch(value.strip()):
        return _stated(next(iter(date)), _dates(text))
    pattern = rf"(?<!\w){re.escape(' '.join(value.split()))}(?!\w)"
    return "" if re.search(pattern, " ".join(text.split()), re.IGNORECASE) else "never said"


def _stated(wanted: object, found: list[object] | list[Decimal | None] | list[str]) -> str:
    if wanted not in found:
        return "never said"
    others = {value for value in found if value != wanted}
    return f"lost in a list of {len(others) + 1} values" if len(others) >= MOST_VALUES else ""


def _as_number(text: str) -> Decimal | None:
    stripped = text.strip().lstrip("$€£").replace(",", "")
    if not re.fullmatch(r"[-+]?\d+(?:\.\d+)?", stripped):
        return None
    try:
        return Decimal(stripped).normalize()
    except InvalidOperation:
        return None


def _dates(text: str) -> list[str]:
    """Return the dates in a text; one without a year stands for itself in any year."""
    found = [f"{int(month)}-{int(day)}" for _, month, day in _ISO_DATE.findall(text)]
    found += [f"{_MONTHS.index(month.lower()) + 1}-{int(day)}" for month, day in _MONTH_FIRST.findall(text)]
    found += [f"{_MONTHS.index(month.lower()) + 1}-{int(day)}" for day, month in _DAY_FIRST.findall(text)]
    return found
