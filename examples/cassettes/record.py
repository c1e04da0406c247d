"""Make the documents' cassettes anew, with models behind a scripted endpoint: `python examples/cassettes/record.py`.

They need that when a prompt, the mock's policy, its tools or its tasks have changed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tau2_core.runs.loading import load_setting, open_catalogue
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import ScriptedEndpoint

TASKS = ("settle_a_reminder", "transfer_deletion")
MODELS = {"agent": "openai/agent", "user": "openai/customer", "judge": "openai/judge"}


def record(file: Path) -> None:
    """Play the tasks and write what was exchanged, in one order."""
    file.unlink(missing_ok=True)
    options = [option for task in TASKS for option in ("--task", task)]
    with (
        ScriptedEndpoint(GoldScript.of(load_setting(open_catalogue(), "mock"))) as endpoint,
        tempfile.TemporaryDirectory() as out,
    ):
        arguments = json.dumps({"api_base": endpoint.url, "api_key": "none"})
        for role, model in MODELS.items():
            options += [f"--{role}-model", model, f"--{role}-args", arguments]
        command = [sys.executable, "-m", "tau2_core", "run", "mock", *options, "--judge-all", "--concurrency", "1"]
        subprocess.run([*command, "--out", out, "--record", str(file)], check=True)


if __name__ == "__main__":
    record(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("mock.jsonl"))
