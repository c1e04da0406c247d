"""The server scenarios of the MCP conformance suite against an episode: they pass, or docs/gym-conformance.md says why not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "gym-conformance.md"
ROW = re.compile(r"^\| (?P<scenarios>`.*`) \| (?P<result>\w+)[^|]* \| (?P<why>[^|]*) \|$", re.MULTILINE)
SUITES = {
    "2025-11-25": ("@modelcontextprotocol/conformance", []),
    "2025-11-25 (next)": ("conformance-next", ["--spec-version", "2025-11-25"]),
    "2026-07-28": ("conformance-next", ["--spec-version", "2026-07-28"]),
}


@dataclass
class Outcome:
    """What a scenario came to: its checks' ids by status."""

    checks: dict[str, list[str]] = field(default_factory=dict)

    @property
    def result(self) -> str:
        return "fail" if "FAILURE" in self.checks else "pass"
