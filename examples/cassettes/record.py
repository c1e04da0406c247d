"""Record the docs' cassettes again, with models behind a scripted endpoint: `python examples/cassettes/record.py`.

This is needed after a change to a prompt, or to the mock domain's policy, tools or tasks.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tau2_core import evaluate
from tau2_core.runs.loading import load_setting, open_catalogue
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import ScriptedEndpoint

TASKS = ("settle_a_reminder", "transfer_deletion")
MODELS = ("agent", "customer", "judge")


def record(file: Path) -> None:
    """Play the tasks and write the exchanges, in a fixed order."""
    file.unlink(missing_ok=True)
    with (
        ScriptedEndpoint(GoldScript.of(load_setting(open_catalogue(), "mock"))) as endpoint,
        tempfile.TemporaryDirectory() as out,
    ):
        arguments = {"api_base": endpoint.url, "api_key": "none"}
        agent, user, judge = ({"model": f"openai/{name}", "args": arguments} for name in MODELS)
        evaluate(
            "mock",
            agent=agent,
            user=user,
            judge=judge,
            tasks=TASKS,
            judge_all=True,
            concurrency=1,
            out=out,
            record=file,
        )


if __name__ == "__main__":
    record(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("mock.jsonl"))
