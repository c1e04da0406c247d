"""Identifiers that the customer cannot know: invented ones, and ones that contradict its scenario.

A customer knows what its scenario says, what the agent has said before, and what its own tools have returned. An
identifier is an e-mail address, a code with digits, a telephone number, a date, a name it gives itself, or a street
address. Amounts, times, quantities and years do not count, since a customer may compute or guess them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from tau2_core.model.messages import ToolMessage
from tau2_core.model.user_review import ReviewedConversation, Severity, UserFinding

_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTH = "|".join(f"{month}|{month[:3]}" for month in _MONTHS)
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_DATE = re.compile(
    rf"\b(?:(?P<month>{_MONTH})\.? (?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b"
    rf"|(?P<day2>\d{{1,2}})(?:st|nd|rd|th)? (?:of )?(?P<month2>{_MONTH})\b"
    r"|(?:19|20)\d\d[-/](?P<month3>\d{1,2})[-/](?P<day3>\d{1,2})\b"
    r"|(?P<month4>\d{1,2})/(?P<day4>\d{1,2})(?:/(?:\d\d)?\d\d)\b)",
    re.IGNORECASE,
)
_PHONE = re.compile(r"(?<![\w#-])\+?(?:\(?\d{3}\)?[ .-])\d{3}[ .-]\d{4}\b")
_CODE = re.compile(r"(?<![\w$€£.,#-])#?(?=[\w-]*\d)(?=[\w-]{4,})[A-Za-z0-9]+(?:[_-][A-Za-z0-9]+)*\b(?![%°]|[.,:]\d)")
_ADDRESS = re.compile(
    r"\b\d{1,5} (?:[A-Z][a-z]+ ){1,2}(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Way|Place)\b"
)
_NAME = re.compile(
    r"\b(?:[Mm]y (?:full )?name is|[Nn]ame:|[Tt]his is|I am|I'm|I’m) (?P<name>[A-Z][a-z]+(?: [A-Z][a-z'-]+)+)"
)
_QUANTITY = re.compile(
    r"\d+(?:-?(?:gb|mb|tb|kb|ml|l|oz|inch(?:es)?|in|cm|mm|m|ft|kg|g|lbs?|w|mah|hz|ghz|mhz|p|k|x|h|hrs?|hours?|mins?"
    r"|minutes?|secs?|am|pm|st|nd|rd|th|s|days?|weeks?|months?|years?|pack|piece|person|seat|way|step|point|usd"
    r"|dollars?))+|(?:19|20)\d\ds?|\d+(?:-\d+)?-[a-z]+(?:-[a-z]+)*|\d{1,3}|\d{1,3}-\d{1,3}|[a-z]+-\d{1,3}"
    r"|24-7|\d+[gk]|covid-19|4g|5g|lte|wi-?fi\d*|usb\d*|mp[34]|h2o|b2b",
    re.IGNORECASE,
)
_DIGIT = re.compile(r"\d")
_PUNCTUATION = ".,;:!?()[]{}*_`'\"“”’"
_BEFORE_A_NAME = ("name", "his is ", "I am ", "I'm ", "I’m ")
_NO_NAMES = frozenset(
    ["a", "an", "the", "not", "so", "very", "here", "just", "still", "sure", "sorry", "happy", "glad"]
)
LONG = 6  # digits
SHORTEST_CODE = 4
NEAR_DAYS = 7  # a customer may count days from a date that it knows


@dataclass(frozen=True)
class _Text:
    """A text that the customer knows, from a message (its index) or the scenario (-1)."""

    index: int
    text: str

    @cached_property
    def squashed(self) -> str:
        return squash(self.text)

    @cached_property
    def lower(self) -> str:
        return self.text.lower()

    @cached_property
    def days(self) -> set[int]:
        """Its dates as days of a leap year."""
        return {day for _, day in _dates(self.text)}


def squash(text: str) -> str:
    """Return a text's letters and digits in lower case, so that `#W 123-4` is `w1234`."""
    return re.sub(r"[\W_]+", "", text.lower())


def invented_identifier(conversation: ReviewedConversation) -> Iterator[UserFinding]:
    """Find identifiers that the customer cannot know and that nothing in its scenario resembles."""
    return (each for each in conversation.once(_findings) if each.detector == "invented_identifier")


def contradicted_identifier(conversation: ReviewedConversation) -> Iterator[UserFinding]:
    """Find identifiers that the customer cannot know where its scenario gives another one of the same form."""
    return (each for each in conversation.once(_findings) if each.detector == "contradicted_identifier")


def _findings(conversation: ReviewedConversation) -> list[UserFinding]:
    """Return the findings of both detectors, which share their work."""
    return list(_find(conversation))


def _find(conversation: ReviewedConversation) -> Iterator[UserFinding]:
    said: set[str] = set()
    known = _known(conversation)
    for index, text in conversation.spoken:
        heard = [each for each in known if each.index < index]
        if not _may_be_new(text, heard):
            continue
        for identifier, kind in identifiers(text):
            squashed = squash(identifier)
            if squashed in said or _knows(heard, identifier, kind):
                continue
            said.add(squashed)
            other = _alternative(conversation.scenario, identifier, kind)
            yield UserFinding(
                detector="contradicted_identifier" if other else "invented_identifier",
                severity=_severity(conversation, squashed, index),
                message=index,
                words=identifier,
                why=f"the scenario gives the {kind} {other}"
                if other
                else f"no scenario, agent or tool has given the customer this {kind}",
            )


def _may_be_new(text: str, known: Sequence[_Text]) -> bool:
    """Tell, quickly, whether a text may have an identifier that is not literally in a known text."""
    if "@" in text or (any(words in text for words in _BEFORE_A_NAME) and _NAME.search(text)):
        return True
    if not _DIGIT.search(text):
        return False
    numbered = [word.strip(_PUNCTUATION) for word in text.split() if _DIGIT.search(word)]
    if any(len(word) >= SHORTEST_CODE and not any(word in each.text for each in known) for word in numbered):
        return True
    return _DATE.search(text) is not None or _ADDRESS.search(text) is not None


def identifiers(text: str) -> Iterator[tuple[str, str]]:
    """Yield the identifiers in a text, each with its kind; no part of the text belongs to two of them."""
    rest = text
    for kind, pattern in (("e-mail address", _EMAIL), ("date", _DATE), ("telephone number", _PHONE)):
        yield from ((match[0], kind) for match in pattern.finditer(rest))
        rest = pattern.sub(" ", rest)
    for kind, pattern in (("address", _ADDRESS), ("name", _NAME)):
        for match in pattern.finditer(rest):
            found = match[match.lastgroup or 0]
            if kind != "name" or found.split()[0].lower() not in _NO_NAMES:
                yield found, kind
    rest = _ADDRESS.sub(" ", rest)
    for match in _CODE.finditer(rest):
        if not _QUANTITY.fullmatch(match[0].lstrip("#")) and not _beside_a_unit(rest, match.end()):
            yield match[0], "code"


def _beside_a_unit(text: str, end: int) -> bool:
    return re.match(r"\s?(?:dollars|usd|gb|mb|points|miles|pieces?|items?|euros?)\b", text[end:], re.I) is not None


def _knows(known: Sequence[_Text], identifier: str, kind: str) -> bool:
    if kind == "date":
        days = [day for _, day in _dates(identifier)]
        return not days or any(abs(day - other) <= NEAR_DAYS for each in known for day in days for other in each.days)
    if kind == "name":
        words = [word.strip("'-").lower() for word in identifier.split()]
        return all(any(word in each.lower for each in known) for word in words)
    if any(identifier in each.text for each in known):  # literally, which is the usual case and fast
        return True
    squashed = squash(identifier)
    number = re.sub(r"\D", "", squashed)  # a customer may add the letter before a number that it knows
    return any(squashed in each.squashed or (len(number) >= LONG and number in each.squashed) for each in known)


def _known(conversation: ReviewedConversation) -> list[_Text]:
    """Return what the customer knows: its scenario, the agent's texts, and the results of its own calls."""
    texts = [
        _Text(index, message.content or "")
        for index, message in enumerate(conversation.record.messages)
        if message.role == "assistant" or (isinstance(message, ToolMessage) and message.requestor == "user")
    ]
    return [_Text(-1, conversation.scenario), *texts]


def _alternative(scenario: str, identifier: str, kind: str) -> str:
    """Return the scenario's only identifier of the same form, "" if there is none or more than one.

    Bare numbers have no form of their own: a ZIP code does not contradict an order's number.
    """
    if identifier.isdigit():
        return ""
    form = _form(identifier, kind)
    found = {other for other, its_kind in identifiers(scenario) if its_kind == kind and _form(other, kind) == form}
    return found.pop() if len(found) == 1 else ""


def _form(identifier: str, kind: str) -> str:
    if kind != "code":
        return kind
    return re.sub(r"[A-Za-z]+", "a", re.sub(r"\d", "9", identifier))


def _severity(conversation: ReviewedConversation, squashed: str, index: int) -> Severity:
    """Return `decisive` if the agent acted on the identifier: it is in the arguments of a later call."""
    used = (
        squashed in squash(json.dumps(call.arguments, ensure_ascii=False))
        for position, call in conversation.calls("assistant")
        if position > index
    )
    return "decisive" if any(used) else "minor"


def _dates(text: str) -> Iterator[tuple[str, int]]:
    """Yield the dates in a text with their day in a leap year; impossible ones are left out."""
    for match in _DATE.finditer(text):
        groups = match.groupdict()
        month = next(groups[name] for name in ("month", "month2", "month3", "month4") if groups[name])
        day = next(groups[name] for name in ("day", "day2", "day3", "day4") if groups[name])
        number = int(month) if month.isdigit() else 1 + [each[:3] for each in _MONTHS].index(month[:3].lower())
        try:
            yield match[0], date(2024, number, int(day)).timetuple().tm_yday
        except ValueError:
            continue
