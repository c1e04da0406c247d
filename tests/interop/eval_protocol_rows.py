"""Reads rows that we wrote with eval-protocol's models, and writes rows of its own. Runs in its environment.

python eval_protocol_rows.py DATASET RESULTS OUT
"""

import json
import sys
from pathlib import Path
from typing import Any

from eval_protocol.models import EvaluateResult, EvaluationRow, InputMetadata, Message, MetricResult, Status


def lines(file: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]


def of_task(line: dict[str, Any]) -> EvaluationRow:
    """Return a dataset's line as a row, as eval-protocol's own tau2 tests make them."""
    keys = ("environment_context", "user_simulation", "evaluation_criteria", "user_prompt_template")
    about = {key: line[key] for key in keys}
    assert isinstance(about["environment_context"]["domain"], str)
    assert about["user_simulation"].keys() >= {"enabled", "llm", "system_prompt"}
    for action in (about["evaluation_criteria"] or {}).get("actions") or []:
        assert action.keys() >= {"action_id", "name", "arguments", "info"}
    return EvaluationRow(
        messages=[Message(role="system", content="Be kind.")],
        input_metadata=InputMetadata(row_id=line["id"], dataset_info=about),
    )


def played() -> EvaluationRow:
    """Return a row as eval-protocol leaves it after a rollout and an evaluation."""
    call = {"id": "c1", "type": "function", "function": {"name": "get_users", "arguments": "{}"}}
    step = {"step": 0, "reward": 1.0, "terminated": True, "info": {}, "tool_calls": []}
    row = of_task(lines(sys.argv[1])[0])
    row.messages += [
        Message(role="user", content="Hello"),
        Message(role="assistant", content="", tool_calls=[call]),
        Message(role="tool", content="[]", tool_call_id="c1", control_plane_step=step),
        Message(role="assistant", content=[{"type": "text", "text": "Good"}, {"type": "text", "text": "bye"}]),
    ]
    row.rollout_status = Status.rollout_finished(extra_info={"some": "thing"})
    metric = MetricResult(is_score_valid=True, score=0.5, reason="half")
    row.evaluation_result = EvaluateResult(score=0.5, reason="so so", metrics={"DB": metric})
    return row


def main() -> None:
    tasks, results = [of_task(line) for line in lines(sys.argv[1])], []
    for line in lines(sys.argv[2]):
        row = EvaluationRow(**line)
        assert row.evaluation_result is not None
        assert row.evaluation_result.score == line["evals"]["score"]
        assert row.rollout_status.is_finished(), row.rollout_status
        assert row.eval_metadata is not None
        assert len(row.messages) == len(line["messages"])
        results.append(row)
    rows = [*tasks, *results, played()]
    Path(sys.argv[3]).write_text("".join(row.model_dump_json() + "\n" for row in rows), encoding="utf-8")
    sys.stdout.write(json.dumps([len(tasks), len(results)]) + "\n")


main()
