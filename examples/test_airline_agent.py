"""Evaluate an airline agent in pytest: the tasks of a dataset, four criteria, and a required rate.

    tau2-gym export airline examples/airline.jsonl --to eval-protocol --split test
    pytest examples/test_airline_agent.py

Without AGENT_MODEL a scripted endpoint plays agent, customer and judge (conftest.py), so no key is needed.
"""

import os
from pathlib import Path
from typing import Any

from tau2_gym_eval_protocol import (
    EvaluationRow,
    McpGymRolloutProcessor,
    dataset_rows,
    evaluation_test,
    system_prompt,
)

CRITERIA = ["DB", "ACTION", "COMMUNICATE", "NL_ASSERTION"]


def airline_rows(lines: list[dict[str, Any]]) -> list[EvaluationRow]:
    """Return a row for each task: the agent reads the pack's policy, and all four criteria count."""
    for line in lines:
        line["evaluation_criteria"]["reward_basis"] = CRITERIA
    return dataset_rows(lines, system=system_prompt("airline"))


@evaluation_test(
    input_dataset=[Path(__file__).with_name("airline.jsonl")],
    dataset_adapter=airline_rows,
    completion_params=[{"model": os.environ.get("AGENT_MODEL", "openai/scripted-agent"), "temperature": 0.0}],
    rollout_processor=McpGymRolloutProcessor(),
    rollout_processor_kwargs={
        "domain": "airline",
        "user": {"model": os.environ.get("CUSTOMER_MODEL", "openai/scripted-customer")},
        "judge": {"model": os.environ.get("JUDGE_MODEL", "openai/scripted-judge")},
    },
    passed_threshold=0.4,
    num_runs=1,
    mode="pointwise",
    max_concurrent_rollouts=32,
)
def test_airline_agent(row: EvaluationRow) -> EvaluationRow:
    """The rollout is already graded: the score is the product of the criteria, and each criterion is a metric."""
    return row
