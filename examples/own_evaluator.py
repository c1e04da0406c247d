"""Grade with an evaluator of your own, which a configuration adds to those of a set."""

from pathlib import Path

from tau2_core import Check, Evidence, Status, Verdict, evaluate


def few_calls(evidence: Evidence, most: int = 3) -> Verdict:
    """Met if the agent made at most `most` tool calls."""
    made = evidence.record.tool_calls
    check = Check(f"at most {most} tool calls", made <= most, why="" if made <= most else f"it made {made}")
    return Verdict("FEW_CALLS", Status.GRADED, float(made <= most), [check])


CONFIGURATION = f"""
name: brief
extends: tau2
evaluators:
  FEW_CALLS: {{use: {Path(__file__).as_posix()}:few_calls, options: {{most: 1}}, counts: always}}
"""

if __name__ == "__main__":
    file = Path("evaluation.yaml")
    file.write_text(CONFIGURATION, encoding="utf-8")
    run = evaluate("mock", agent="oracle", split="test", evaluators=file)
    print(run)
    for row in run.rows():
        print(row["task_id"], row["DB"], row["FEW_CALLS"], row["reward"])
