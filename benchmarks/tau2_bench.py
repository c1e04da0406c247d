"""Measure tau2-bench's own gym wrapper for comparison, if its package can be imported.

Its customer is a model at an endpoint on this machine, which answers at once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tau2_core.testing.scripted_endpoint import ScriptedEndpoint, say

CLIENT = Path(__file__).with_name("tau2_bench_client.py")
MODULE = "tau2.gym.gym_agent"
ACTION = {"name": "list_all_product_types", "arguments": {}}  # a tool of retail that needs no knowledge of the data
TASK = "0"
RESETS, STEPS = 16, 64  # of all environments together, at least one per environment
MEMORY = 8000.0  # the most MB that it may use
SECONDS = 1800


@dataclass(frozen=True)
class Theirs:
    """Its figures by number of environments (`opened` s, `megabytes`, `resets` /s, `steps` /s), and a remark."""

    figures: dict[int, dict[str, float]] = field(default_factory=dict)
    remark: str = ""


def measure_theirs(where: Path | None, domain: str, sizes: Sequence[int]) -> Theirs:
    """Measure the wrapper in a folder with the package (or a checkout), or by an interpreter that has it."""
    if where is None:
        return Theirs(remark="tau2-bench's gym wrapper was not measured: name its package with --tau2-bench PATH")
    python, folders = (where, []) if where.is_file() else (Path(sys.executable), [where / "src", where])
    with (
        ScriptedEndpoint(lambda _asked: say("I need help with an order.")) as endpoint,
        tempfile.TemporaryDirectory() as folder,
    ):
        result = Path(folder) / "result.json"
        customer = {"user_llm": "openai/customer", "user_llm_args": {"api_base": endpoint.url, "api_key": "none"}}
        request: dict[str, Any] = {
            "options": {"domain": domain, "task_id": TASK, "max_steps": 10**6, **customer},
            "action": json.dumps(ACTION),
            "sizes": list(sizes),
            "resets": RESETS,
            "steps": STEPS,
            "megabytes": MEMORY,
            "result": str(result),
        }
        path = os.pathsep.join([*map(str, folders), *filter(None, [os.environ.get("PYTHONPATH")])])
        ended = subprocess.run(
            [str(python), "-P", str(CLIENT)],
            input=json.dumps(request),
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if not result.is_file():
            said = (ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"])[-1]
            return Theirs(remark=f"tau2-bench's gym wrapper in {where} could not be measured: {said}")
        told = json.loads(result.read_text(encoding="utf-8"))
    if told["missing"]:
        why = f"{MODULE} cannot be imported from {where}: {told['missing']}"
        return Theirs(remark=f"tau2-bench's gym wrapper was not measured: {why}")
    remark = ""
    if told["too_large"]:
        size, megabytes = told["too_large"]
        remark = f"tau2-bench: {size:,} environments were not opened, since they would take {megabytes / 1e3:,.0f} GB"
    return Theirs({int(size): each for size, each in told["figures"].items()}, remark)
