"""Values that an agent must communicate: their kind, and whether texts state them as separate values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

# More values than this are a list and not a statement. Among 9,782 messages of real agents (1,344 conversations,
# shared/conformance) the maximum is 52 different numbers and 140 items; the maximum per conversation is 72 numbers.
MOST_NUMBERS = 60
MOST_ITEMS = 200
MOST_NUMBERS_IN_ALL = 150

_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\w]|\.\d)")
_PLAIN_NUMBER = re.compile(r"[-+]?(?:0|[1-9]\d*)(?:\.\d+)?\Z")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?:,?\s+(\d{4})\b)?"
_ISO_DATE = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})(?!\d)")
_SLASH_DATE = re.compile(r"\b(\d{1,2})/(\d{1,2})/(\d{4})\b")
_MONTH_FIRST = re.compile(rf"\b{_MONTH}\s+{_DAY}\b{_YEAR}", re.IGNORECASE)
_DAY_FIRST = re.compile(rf"\b{_DAY}\s+(?:of\s+)?{_MONTH}{_YEAR}", re.IGNORECASE)
_NO_NUMBER = re.compile(r"\b\d{4}-\d{2}-\d{2}(?!\d)|\b\d{1,2}/\d{1,2}/\d{4}\b|\b\d{1,2}:\d{2}(?::\d{2})?")
_EMPHASIS = str.maketrans({"*": None, "`": None, "\u2212": "-", "\u00a0": " ", "\u202f": " "})

NEVER = "never said"


@dataclass(frozen=True)
class Date:
    """A date; without a year it matches any year."""

    month: int
    day: int
    year: int | None

    def fits(self, other: Date) -> bool:
        years = {self.year, other.year} - {None}
        return (self.month, self.day) == (other.month, other.day) and len(years) < 2


def states(texts: Sequence[str], value: str) -> tuple[str, str]:
    """Look for a text that states a value: return ("", that text), or the reason why there is none and "".

    Numbers and amounts are compared as numbers (1,234.50 is 1234.5), dates as dates. Anything else, including digits
    with a leading zero, is compared as words, ignoring case, and never inside a longer word or number. A text that
    lists many values states none of them; the same applies to several texts together.
    """
    plain = [text.translate(_EMPHASIS) for text in texts]
    found = [index for index, text in enumerate(plain) if _holds(text, value)]
    if not found:
        return NEVER, ""
    counts = [_different(numbers(text)) for text in plain]
    if len(_union(plain)) > MOST_NUMBERS_IN_ALL:
        return f"lost among {len(_union(plain))} different numbers", ""
    for index in found:
        if counts[index] <= MOST_NUMBERS and _items(plain[index]) <= MOST_ITEMS:
            return "", texts[index]
    return f"lost in a list of {max(max(counts[index], _items(plain[index])) for index in found)} values", ""


def _holds(text: str, value: str) -> bool:
    number = as_number(value)
    if number is not None:
        signed = value.strip()[0] in "+-"  # without a sign in the value, -60.78 matches 60.78
        return number in (numbers(text) if signed else map(abs, numbers(text)))
    if _ISO_DATE.fullmatch(value.strip()):
        (wanted,) = dates(value)
        return any(wanted.fits(date) for date in dates(text))
    words = re.escape(" ".join(value.split()))
    return re.search(rf"(?<!\w){words}(?!\w)", " ".join(text.split()), re.IGNORECASE) is not None


def as_number(text: str) -> Decimal | None:
    """Return the value of a number or an amount of money; None for anything else, such as ids with a leading zero."""
    plain = text.strip().lstrip("$€£").replace(",", "")
    return Decimal(plain) if _PLAIN_NUMBER.match(plain) else None


def numbers(text: str) -> list[Decimal]:
    """Return the numbers in a text, except parts of dates, times, words or ids."""
    return [Decimal(match.group().replace(",", "")) for match in _NUMBER.finditer(_NO_NUMBER.sub(" ", text))]


def dates(text: str) -> list[Date]:
    """Return the dates in a text: 2024-05-15, 5/15/2024, May 15th, 15 May 2024."""
    found = [Date(int(month), int(day), int(year)) for year, month, day in _ISO_DATE.findall(text)]
    found += [Date(int(month), int(day), int(year)) for month, day, year in _SLASH_DATE.findall(text)]
    found += [_date(month, day, year) for month, day, year in _MONTH_FIRST.findall(text)]
    found += [_date(month, day, year) for day, month, year in _DAY_FIRST.findall(text)]
    return found


def _date(month: str, day: str, year: str) -> Date:
    return Date(_MONTHS.index(month[:3].lower()) + 1, int(day), int(year) if year else None)


def _different(found: Iterable[Decimal]) -> int:
    return len(set(found))


def _union(texts: Iterable[str]) -> set[Decimal]:
    return {number for text in texts for number in numbers(text)}


def _items(text: str) -> int:
    return len({part.strip().lower() for part in re.split(r"[\n,;|\t]", text) if part.strip()})
