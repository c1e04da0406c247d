"""YAML with line numbers, in the JSON-compatible core of YAML 1.2: `no`, `on` and dates are text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tau2_core.model.tools import Source

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MAX_NODES = 500_000
MAX_DEPTH = 200
# Digits that begin with a zero are text: they are zip codes and phone numbers, whatever YAML says.
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)\.[0-9]*|(0|[1-9][0-9]*)(?=[eE]))([eE][-+]?[0-9]+)?\Z")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}

YamlPath = tuple[str | int, ...]


class YamlError(ValueError):
    """A file that cannot be read as YAML; carries the line where that shows."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


@dataclass
class Document:
    """A parsed file: its value, and the line on which each part of it begins.

    Of a key that stands twice the first counts; the others are in `repeats`, for whoever reads on to report.
    """

    file: Path
    value: Any
    lines: dict[YamlPath, int] = field(default_factory=dict)
    repeats: list[YamlError] = field(default_factory=list)

    def line(self, path: YamlPath) -> int | None:
        """Return the line of a part, or of the nearest part around it."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return None


@dataclass(frozen=True)
class Place:
    """One part of a document, for saying where something stands."""

    document: Document
    path: YamlPath

    def at(self, *path: str | int) -> Place:
        """Return the place of a part of this part."""
        return Place(self.document, (*self.path, *path))

    def source(self, *path: str | int) -> Source:
        """Return file and line of a part of this part, or of the nearest around it."""
        return Source(self.document.file, self.document.line((*self.path, *path)))


def read_yaml(file: Path) -> Document:
    """Parse one YAML file.

    Raises YamlError with the line for bad syntax, keys that are no text, cycles, alias bombs and endless nesting;
    OSError if the file cannot be read.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise YamlError(f"not UTF-8 text: {error.reason} at byte {error.start}") from error
    try:
        _refuse_depth(text)
        node = yaml.compose(text, Loader=LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(error.problem or "not YAML", mark.line + 1 if mark else None) from error
    except yaml.YAMLError as error:
        raise YamlError(str(error)) from error
    except RecursionError as error:
        raise YamlError("nested too deeply") from error
    document = Document(file, None)
    if node is not None:
        document.value = _Builder(document).build(node, ())
    return document


def _refuse_depth(text: str) -> None:
    """Look at the nesting before anything recurses into it: the C composer would end the process."""
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                line = event.start_mark.line + 1 if event.start_mark else None
                raise YamlError(f"nested more than {MAX_DEPTH} levels deep", line)
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
            raise YamlError(
                f"more than {MAX_NODES} values: aliases multiply, or the data belongs in a .json file", line
            )
        if isinstance(node, yaml.ScalarNode):
            try:
                return _scalar(node)
            except ValueError as error:  # an integer of more digits than Python converts
                raise YamlError(str(error), line) from error
        if id(node) in self.open:
            raise YamlError("an alias refers to something that contains it", line)
        self.open.add(id(node))
        try:
            return self._mapping(node, path) if isinstance(node, yaml.MappingNode) else self._sequence(node, path)
        except RecursionError as error:
            raise YamlError("nested too deeply", line) from error
        finally:
            self.open.discard(id(node))

    def _sequence(self, node: yaml.Node, path: YamlPath) -> list[Any]:
        return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: yaml.Node, path: YamlPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise YamlError("a key must be text", line)
            key = key_node.value
            if key in result:
                first = self.document.lines[(*path, key)]
                repeat = YamlError(f"{key!r} stands here twice, first in line {first}", line)
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
        return float(text)
    return text
