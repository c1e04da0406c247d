"""YAML and JSON with line numbers. YAML is read by the core schema of YAML 1.2: `no`, `on` and dates are text."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import isinf
from pathlib import Path
from typing import Any

import yaml

from tau2_core.model.tools import Source
from tau2_core.packs.json_source import JsonParser
from tau2_core.packs.source_error import MAX_DEPTH, SourceError, SourcePath
from tau2_core.packs.yaml_errors import explain

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MAX_NODES = 500_000
# Digits with a leading zero are text: they are zip codes and phone numbers, whatever YAML says.
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)\.[0-9]*|(0|[1-9][0-9]*)(?=[eE]))([eE][-+]?[0-9]+)?\Z")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}

# A surrogate pair as `json.dumps` writes it, which YAML does not support.
_PAIR = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")

YamlPath = SourcePath


@dataclass
class Document:
    """A parsed file: its value, and the line on which each part of it begins.

    Of duplicate keys the first counts; the others are in `repeats`, to be reported by the caller.
    """

    file: Path
    value: Any
    lines: dict[YamlPath, int] = field(default_factory=dict)
    repeats: list[SourceError] = field(default_factory=list)

    def line(self, path: YamlPath) -> int | None:
        """Return the line of a part, or of the nearest enclosing part."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return None


@dataclass(frozen=True)
class Place:
    """One part of a document, used as a location."""

    document: Document
    path: YamlPath

    def at(self, *path: str | int) -> Place:
        """Return the place of a part of this part."""
        return Place(self.document, (*self.path, *path))

    def source(self, *path: str | int) -> Source:
        """Return file and line of a part of this part, or of the nearest enclosing part."""
        return Source(self.document.file, self.document.line((*self.path, *path)))


def read_yaml(file: Path, read: Callable[[Path], bytes] = Path.read_bytes) -> Document:
    """Parse one YAML file, or a .json file as JSON.

    Raises SourceError with the line for bad syntax, tags, keys that are not text, cycles, alias bombs and deep nesting;
    the errors of `read`, such as OSError, if the file cannot be read.
    """
    try:
        text = read(file).decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise SourceError(f"not UTF-8 text: {error.reason} at byte {error.start}") from error
    return _parse_json(file, text) if file.suffix == ".json" else _parse_yaml(file, text)


def _parse_json(file: Path, text: str) -> Document:
    parser = JsonParser(text)
    return Document(file, parser.parse(), parser.lines, parser.repeats)


def _parse_yaml(file: Path, text: str) -> Document:
    try:
        try:
            return _build(file, text)
        except SourceError:
            joined = _PAIR.sub(_join, text)
            if joined == text:
                raise
            return _build(file, joined)
    except SourceError as error:
        raise error.showing(text) from error


def _join(pair: re.Match[str]) -> str:
    high, low = int(pair[1], 16), int(pair[2], 16)
    return f"\\U{0x10000 + (high - 0xD800) * 0x400 + low - 0xDC00:08X}"


def _build(file: Path, text: str) -> Document:
    """Build a document while its text is parsed, in one pass."""
    try:
        return _Builder(file, yaml.parse(text, Loader=LOADER)).build()
    except yaml.MarkedYAMLError as error:
        raise SourceError(*explain(error)) from error
    except yaml.reader.ReaderError as error:
        found = re.search(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
        line = text.count("\n", 0, found.start()) + 1 if found else None
        raise SourceError(f"control character {error.character!r} is not allowed in YAML; remove it", line) from error
    except yaml.YAMLError as error:
        raise SourceError(str(error)) from error


class _Builder:
    """Builds a document from the parser's events. All events are kept, since an alias repeats some of them."""

    def __init__(self, file: Path, events: Iterator[yaml.Event]) -> None:
        self.document = Document(file, None)
        self.events = events
        self.read: list[yaml.Event] = []
        self.at = 0
        self.anchors: dict[str, int] = {}
        self.open: set[int] = set()
        self.count = 0

    def build(self) -> Document:
        """Return the document. Raises SourceError, and the parser's errors."""
        self._next()
        if not isinstance(self._next(), yaml.StreamEndEvent):
            self.document.value = self._value(self._next(), ())
            self._next()
            more = self._next()
            if not isinstance(more, yaml.StreamEndEvent):
                raise SourceError("a second document begins here; keep one, without `---` between", _line(more))
        return self.document

    def _next(self) -> Any:
        if self.at == len(self.read):
            self.read.append(next(self.events))
        self.at += 1
        return self.read[self.at - 1]

    def _value(self, event: yaml.Event, path: YamlPath) -> Any:
        line = _line(event)
        self.document.lines.setdefault(path, line)
        if isinstance(event, yaml.AliasEvent):
            return self._repeated(self._anchored(event), path, line)
        self._note(event)
        self.count += 1
        if self.count > MAX_NODES:
            raise SourceError(
                f"more than {MAX_NODES} values: aliases multiply, or the data belongs in a .json file", line
            )
        if isinstance(event, yaml.ScalarEvent):
            try:
                return _scalar(event)
            except ValueError as error:  # an integer with more digits than Python converts
                raise SourceError(str(error), line) from error
        if len(path) >= MAX_DEPTH:
            raise SourceError(f"nested more than {MAX_DEPTH} levels deep", line)
        number = self.at - 1
        self.open.add(number)
        value = self._mapping(path) if isinstance(event, yaml.MappingStartEvent) else self._sequence(path)
        self.open.discard(number)
        return value

    def _note(self, event: Any) -> None:
        """Remember the anchor of the event that was just read, and refuse its tag."""
        if event.tag is not None:
            shown = event.tag.replace("tag:yaml.org,2002:", "!!")
            raise SourceError(f"the tag {shown} is not supported; write the plain value", _line(event))
        if event.anchor is not None and self.anchors.setdefault(event.anchor, self.at - 1) != self.at - 1:
            raise SourceError(f"there is another anchor `&{event.anchor}`; rename one of them", _line(event))

    def _anchored(self, alias: yaml.AliasEvent) -> int:
        """Return the number of the event that an alias refers to."""
        if alias.anchor not in self.anchors:
            what = "`*` refers to an anchor that is not there; put text that begins with * in quotes"
            raise SourceError(what, _line(alias))
        return self.anchors[alias.anchor]

    def _repeated(self, number: int, path: YamlPath, line: int) -> Any:
        if number in self.open:
            raise SourceError("an alias refers to something that contains it", line)
        after, self.at = self.at, number
        value = self._value(self._next(), path)
        self.at = after
        return value

    def _sequence(self, path: YamlPath) -> list[Any]:
        result: list[Any] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            result.append(self._value(event, (*path, len(result))))
        return result

    def _mapping(self, path: YamlPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key, line, lines = self._key(event), _line(event), self.document.lines
            if key in result:
                first = lines[(*path, key)]
                self.document.repeats.append(SourceError(f"{key!r} occurs twice here, first in line {first}", line))
                self.document.lines = {}
                self._value(self._next(), (*path, key))
                self.document.lines = lines
            else:
                lines[(*path, key)] = line
                result[key] = self._value(self._next(), (*path, key))
        return result

    def _key(self, event: yaml.Event) -> str:
        named = self.read[self._anchored(event)] if isinstance(event, yaml.AliasEvent) else event
        if not isinstance(named, yaml.ScalarEvent):
            deque(self.events, maxlen=0)  # if a bracket is not closed, the parser says so
            raise SourceError("a key must be text", _line(event))
        if named is event:
            self._note(event)
        key: str = named.value
        if key == "<<" and not named.style:
            raise SourceError("merge keys (`<<`) are not supported; write the keys out", _line(event))
        return key


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _scalar(event: yaml.ScalarEvent) -> Any:
    text: str = event.value
    if event.style:  # quoted or a block; the C parser says "" for plain, the Python one None
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text):
        return int(text)
    if _FLOAT.match(text):
        number = float(text)
        if isinf(number):
            raise ValueError(f"{text} is too large for a number; put it in quotes if it is text")
        return number
    return text
