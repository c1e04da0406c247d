"""YAML and JSON with line numbers. YAML is read by the core schema of YAML 1.2: `no`, `on` and dates are text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import isinf
from pathlib import Path
from typing import Any

import yaml

from tau2_core.model.tools import Source
from tau2_core.packs.json_source import JsonParser
from tau2_core.packs.source_error import MAX_DEPTH, SourceError, SourcePath
from tau2_core.packs.yaml_words import explain

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


def read_yaml(file: Path) -> Document:
    """Parse one YAML file, or a .json file as JSON.

    Raises SourceError with the line for bad syntax, tags, keys that are not text, cycles, alias bombs and deep nesting;
    OSError if the file cannot be read.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"not UTF-8 text: {error.reason} at byte {error.start}") from error
    return _read_json(file, text) if file.suffix == ".json" else _read_yaml(file, text)


def _read_json(file: Path, text: str) -> Document:
    parser = JsonParser(text)
    return Document(file, parser.parse(), parser.lines, parser.repeats)


def _read_yaml(file: Path, text: str) -> Document:
    try:
        node = _compose(text)
    except SourceError as error:
        joined = _PAIR.sub(_join, text)
        if joined == text:
            raise error.showing(text) from error
        node = _compose(joined)
    document = Document(file, None)
    if node is not None:
        try:
            document.value = _Builder(document).build(node, ())
        except SourceError as error:
            raise error.showing(text) from error
    return document


def _join(pair: re.Match[str]) -> str:
    high, low = int(pair[1], 16), int(pair[2], 16)
    return f"\\U{0x10000 + (high - 0xD800) * 0x400 + low - 0xDC00:08X}"


def _compose(text: str) -> yaml.Node | None:
    try:
        _refuse_events(text)
        node: yaml.Node | None = yaml.compose(text, Loader=LOADER)
    except yaml.MarkedYAMLError as error:
        raise SourceError(*explain(error)) from error
    except yaml.reader.ReaderError as error:
        found = re.search(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
        line = text.count("\n", 0, found.start()) + 1 if found else None
        raise SourceError(f"control character {error.character!r} is not allowed in YAML; remove it", line) from error
    except yaml.YAMLError as error:
        raise SourceError(str(error)) from error
    except RecursionError as error:
        raise SourceError("nested too deeply") from error
    return node


def _refuse_events(text: str) -> None:
    """Refuse tags, and deep nesting before anything recurses into it, since the C composer would crash the process."""
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.NodeEvent):
            line = event.start_mark.line + 1 if event.start_mark else None
            tag = getattr(event, "tag", None)
            if tag is not None:
                shown = tag.replace("tag:yaml.org,2002:", "!!")
                raise SourceError(f"the tag {shown} is not supported; write the plain value", line)
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    raise SourceError(f"nested more than {MAX_DEPTH} levels deep", line)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _Builder:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.count = 0
        self.open: set[int] = set()

    def build(self, node: yaml.Node, path: YamlPath) -> Any:
        line = node.start_mark.line + 1
        self.document.lines.setdefault(path, line)
        self.count += 1
        if self.count > MAX_NODES:
            raise SourceError(
                f"more than {MAX_NODES} values: aliases multiply, or the data belongs in a .json file", line
            )
        if isinstance(node, yaml.ScalarNode):
            try:
                return _scalar(node)
            except ValueError as error:  # an integer with more digits than Python converts
                raise SourceError(str(error), line) from error
        if id(node) in self.open:
            raise SourceError("an alias refers to something that contains it", line)
        self.open.add(id(node))
        try:
            return self._mapping(node, path) if isinstance(node, yaml.MappingNode) else self._sequence(node, path)
        except RecursionError as error:
            raise SourceError("nested too deeply", line) from error
        finally:
            self.open.discard(id(node))

    def _sequence(self, node: yaml.Node, path: YamlPath) -> list[Any]:
        return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: yaml.Node, path: YamlPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise SourceError("a key must be text", line)
            key = key_node.value
            if key == "<<" and not key_node.style:
                raise SourceError("merge keys (`<<`) are not supported; write the keys out", line)
            if key in result:
                first = self.document.lines[(*path, key)]
                repeat = SourceError(f"{key!r} occurs twice here, first in line {first}", line)
                self.document.repeats.append(repeat)
                continue
            self.document.lines[(*path, key)] = line
            result[key] = self.build(value_node, (*path, key))
        return result


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    if node.style:  # quoted or a block; the C parser says "" for plain, the Python one None
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
