"""Rollouts of an MCP gym as eval-protocol documents them. Its own pytest runs this file, in its own environment.

`INTEROP_PLAN` names a JSON file: model, base_url, domain, port, server_script, server_mode, dataset (a
file), concurrency and runs.
"""

# No `from __future__ import annotations`: the decorator wants types, not their names.

import json
import os
from pathlib import Path
from typing import Any

from eval_protocol.models import EvaluateResult, EvaluationRow, InputMetadata, Message
from eval_protocol.pytest import MCPGymRolloutProcessor, evaluation_test

PLAN = json.loads(Path(os.environ["INTEROP_PLAN"]).read_text(encoding="utf-8"))


def as_rows(lines: list[dict[str, Any]]) -> list[EvaluationRow]:
    """Return the dataset's lines as rows, as eval-protocol's own tau2 tests make them."""
    return [
        EvaluationRow(
            messages=[Message(role="system", content=line["system"])],
            input_metadata=InputMetadata(
                row_id=line["id"],
                dataset_info={
                    key: line[key] for key in ("environment_context", "user_simulation", "user_prompt_template")
                },
            ),
        )
        for line in lines
    ]


@evaluation_test(
    input_dataset=[PLAN["dataset"]],
    dataset_adapter=as_rows,
    completion_params=[{"model": PLAN["model"], "base_url": PLAN["base_url"], "api_key": "none", "temperature": 0.0}],
    rollout_processor=MCPGymRolloutProcessor(),
    rollout_processor_kwargs={"domain": PLAN["domain"], "port": PLAN["port"], "server_mode": PLAN["server_mode"]},
    server_script_path=PLAN["server_script"],
    max_concurrent_rollouts=PLAN["concurrency"],
    num_runs=PLAN["runs"],
    mode="pointwise",
)
def test_rollouts(row: EvaluationRow) -> EvaluationRow:
    """Take the reward that the gym's control plane gave for the last exchange in which it was asked."""
    steps = [message.control_plane_step for message in row.messages if message.control_plane_step]
    rewards = [step["reward"] for step in steps if "reward_source" in step["info"]]
    row.evaluation_result = EvaluateResult(score=rewards[-1], reason="the control plane's reward")
    return row
