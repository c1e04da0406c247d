"""The output of `tau2-gym plugins`, and types of fixtures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

Gym = Callable[..., CompletedProcess[str]]
Plugin = Callable[..., Path]
IMPORTS = "from tau2_core import AgentSpec, Domain, Toolset, hookimpl\n"


def rows(done: CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    return {row["name"]: row for row in json.loads(done.stdout)}
