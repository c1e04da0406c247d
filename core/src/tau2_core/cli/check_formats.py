"""The output formats of `tau2-gym check`: text, JSON, SARIF and GitHub's annotations."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tau2_core.cli.safe_text import say, say_json

if TYPE_CHECKING:
    from tau2_core.errors import Problem
    from tau2_core.runs.check import CheckReport

_SARIF = "https://json.schemastore.org/sarif-2.1.0.json"


class Format(StrEnum):
    """The format of a check's report."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


def write_reports(reports: Sequence[CheckReport], how: Format) -> None:
    """Print the reports in one of the formats."""
    _WRITERS[how](reports)


def _text(reports: Sequence[CheckReport]) -> None:
    for report in reports:
        for problem in report.problems:
            say(str(problem))
        for warning in report.warnings:
            say(f"warning: {warning}")
        counts = {"problem": len(report.problems), "warning": len(report.warnings)}
        state = ", ".join(f"{count} {word}{'s' if count > 1 else ''}" for word, count in counts.items() if count)
        looked_at = f"{report.tools} tools, {report.tasks} tasks, {report.played} played"
        say(f"{report.domain}: {state or 'clean'} ({looked_at})")


def _json(reports: Sequence[CheckReport]) -> None:
    found = {
        "problems": [_row(problem) for report in reports for problem in report.problems],
        "warnings": [_row(problem) for report in reports for problem in report.warnings],
        "domains": [report.domain for report in reports],
    }
    say_json(json.dumps(found, indent=2))


def _row(problem: Problem) -> dict[str, Any]:
    place = {"pack": problem.pack, "code": problem.kind.code, "file": str(problem.file), "line": problem.line}
    return {**place, "message": problem.message, "hint": problem.hint}


def _sarif(reports: Sequence[CheckReport]) -> None:
    """Print a SARIF 2.1.0 log, for code scanning and editors."""
    found = list(_levels(reports))
    kinds = sorted({problem.kind for _, problem in found}, key=lambda kind: kind.code)
    driver = {
        "name": "tau2-gym check",
        "version": version("tau2-core"),
        "rules": [{"id": kind.code, "shortDescription": {"text": kind.title}} for kind in kinds],
    }
    results = [
        {
            "ruleId": problem.kind.code,
            "ruleIndex": kinds.index(problem.kind),
            "level": level,
            "message": {"text": _words(problem)},
            "locations": [{"physicalLocation": _location(problem)}],
        }
        for level, problem in found
    ]
    log = {"$schema": _SARIF, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}
    say_json(json.dumps(log, indent=2))


def _location(problem: Problem) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": _uri(problem.file)}}
    if problem.line is not None:
        place["region"] = {"startLine": problem.line}
    return place


def _uri(file: Path) -> str:
    """Return a path relative to the working folder, or as a full URI if it is elsewhere."""
    place = Path.cwd() / file
    return quote(place.relative_to(Path.cwd()).as_posix()) if place.is_relative_to(Path.cwd()) else place.as_uri()


def _github(reports: Sequence[CheckReport]) -> None:
    """Print workflow commands, which GitHub shows next to the lines of a pull request."""
    for level, problem in _levels(reports):
        place = {"file": _shown_path(problem.file), "line": problem.line, "title": problem.kind.code}
        named = ",".join(f"{key}={_escaped(value, ':,')}" for key, value in place.items() if value is not None)
        say(f"::{level} {named}::{_escaped(_words(problem))}")


def _shown_path(file: Path) -> str:
    return file.relative_to(Path.cwd()).as_posix() if file.is_relative_to(Path.cwd()) else str(file)


def _escaped(value: object, more: str = "") -> str:
    return "".join(f"%{ord(letter):02X}" if letter in f"%\r\n{more}" else letter for letter in str(value))


def _levels(reports: Sequence[CheckReport]) -> Iterator[tuple[str, Problem]]:
    for report in reports:
        yield from (("error", problem) for problem in report.problems)
        yield from (("warning", problem) for problem in report.warnings)


def _words(problem: Problem) -> str:
    return f"{problem.pack}: {problem.message}" + (f" ({problem.hint})" if problem.hint else "")


_WRITERS: dict[Format, Callable[[Sequence[CheckReport]], None]] = {
    Format.TEXT: _text,
    Format.JSON: _json,
    Format.SARIF: _sarif,
    Format.GITHUB: _github,
}
