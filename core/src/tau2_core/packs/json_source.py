"""JSON with line numbers. Ambiguous or invalid JSON that `json.loads` accepts is an error here."""

from __future__ import annotations

import json
import re
from math import isinf
from typing import Any

from tau2_core.packs.source_error import MAX_DEPTH, SourceError, SourcePath

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORDS = {"null": None, "true": True, "false": False}
_NO_NUMBERS = ("NaN", "Infinity", "-Infinity")
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class JsonParser:
    """Parses a text into its value, the line of each part, and duplicate keys (the first one counts)."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines: dict[SourcePath, int] = {}
        self.repeats: list[SourceError] = []
        self._counted = (0, 1)

    def parse(self) -> Any:
        """Return the value of the whole text. Raises SourceError with the line."""
        value, end = self._value(self._skip(0), ())
        end = self._skip(end)
        if end < len(self.text):
            raise self._error("unexpected text after the value", end)
        return value

    def _value(self, at: int, path: SourcePath) -> tuple[Any, int]:
        self.lines.setdefault(path, self._line(at))
        if len(path) > MAX_DEPTH:
            raise self._error(f"nested more than {MAX_DEPTH} levels deep", at)
        first = self.text[at : at + 1]
        if first == "{":
            return self._object(at + 1, path)
        if first == "[":
            return self._array(at + 1, path)
        if first == '"':
            return self._string(at)
        for word, value in _WORDS.items():
            if self.text.startswith(word, at):
                return value, at + len(word)
        for word in _NO_NUMBERS:
            if self.text.startswith(word, at):
                raise self._error(f"{word} is not a JSON value; write null or a number", at)
        return self._number(at)

    def _number(self, at: int) -> tuple[Any, int]:
        found = _NUMBER.match(self.text, at)
        if found is None:
            what = "the text ends where a value is expected" if at >= len(self.text) else "this is not a JSON value"
            raise self._error(what, at)
        if not (found[1] or found[2]):
            try:
                return int(found[0]), found.end()
            except ValueError as error:  # more digits than Python converts
                raise self._error(str(error), at) from error
        number = float(found[0])
        if isinf(number):
            raise self._error(f"{found[0]} is too large for a number", at)
        return number, found.end()

    def _string(self, at: int) -> tuple[str, int]:
        try:
            text, end = _DECODER.raw_decode(self.text, at)
        except json.JSONDecodeError as error:
            raise self._error(error.msg, error.pos) from error
        if _SURROGATE.search(text):
            raise self._error("a lone surrogate is not a character", at)
        return text, end

    def _object(self, at: int, path: SourcePath) -> tuple[dict[str, Any], int]:
        result: dict[str, Any] = {}
        at = self._skip(at)
        if self.text.startswith("}", at):
            return result, at + 1
        while True:
            if not self.text.startswith('"', at):
                raise self._error("a key in double quotes is expected here", at)
            start, (key, at) = at, self._string(at)
            at = self._skip(at)
            if not self.text.startswith(":", at):
                raise self._error(f"a `:` should follow the key {key!r}", at)
            again = key in result
            if again:
                first = self.lines[(*path, key)]
                what = f"{key!r} occurs twice here, first in line {first}"
                self.repeats.append(SourceError(what, self._line(start)))
            else:
                self.lines[(*path, key)] = self._line(start)
            value, at = self._value(self._skip(at + 1), (*path, key))
            if not again:
                result[key] = value
            at, more = self._more(at, "}")
            if not more:
                return result, at

    def _array(self, at: int, path: SourcePath) -> tuple[list[Any], int]:
        result: list[Any] = []
        at = self._skip(at)
        if self.text.startswith("]", at):
            return result, at + 1
        while True:
            value, at = self._value(at, (*path, len(result)))
            result.append(value)
            at, more = self._more(at, "]")
            if not more:
                return result, at

    def _more(self, at: int, end: str) -> tuple[int, bool]:
        at = self._skip(at)
        if self.text.startswith(end, at):
            return at + 1, False
        if not self.text.startswith(",", at):
            raise self._error(f"a comma or `{end}` is expected here", at)
        return self._skip(at + 1), True

    def _skip(self, at: int) -> int:
        found = _SPACE.match(self.text, at)
        return found.end() if found else at

    def _line(self, at: int) -> int:
        position, line = self._counted
        if at < position:
            position, line = 0, 1
        line += self.text.count("\n", position, at)
        self._counted = (at, line)
        return line

    def _error(self, what: str, at: int) -> SourceError:
        column = at - self.text.rfind("\n", 0, at) - 1
        return SourceError(what, self._line(at), column).showing(self.text)


def load_json(raw: bytes) -> Any:
    """Parse JSON quickly, with the same errors as `JsonParser`. Raises SourceError with the line, UnicodeDecodeError.

    Duplicate keys, NaN, numbers beyond floating point and lone surrogates are refused.
    """
    try:
        value = json.loads(raw, object_pairs_hook=_once, parse_constant=_refuse, parse_float=_finite)
        if _HALF.search(raw):
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        parser = JsonParser(raw.decode("utf-8-sig"))
        value = parser.parse()
        for repeat in parser.repeats:
            raise repeat from None
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("a duplicate key")
    return result


def _refuse(word: str) -> Any:
    raise ValueError(word)


def _finite(text: str) -> float:
    number = float(text)
    if isinf(number):
        raise ValueError(text)
    return number
