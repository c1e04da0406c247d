"""Comparing run folders that were played by different executors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DURATIONS = {"name", "folder", "duration_seconds"}


def by_slot(file: Path) -> list[bytes]:
    """Return the lines of a file in the order of their slots."""
    return sorted(file.read_bytes().splitlines(), key=_slot)


def _slot(line: bytes) -> tuple[int, str]:
    content = json.loads(line)
    return content["trial"], content["task_id"]


def summary(folder: Path) -> dict[str, Any]:
    content = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return {key: value for key, value in content.items() if key not in DURATIONS}


def assert_same(folder: Path, other: Path) -> None:
    """Check that the runs differ only in durations and in the order in which episodes ended."""
    for name in ("episodes.jsonl", "grades.jsonl"):
        assert by_slot(folder / name) == by_slot(other / name)
    assert (folder / "tasks.jsonl").read_bytes() == (other / "tasks.jsonl").read_bytes()
    assert summary(folder) == summary(other)
