"""Write a run's episodes as an Inspect log: `python inspect_log.py RUN LOG`, in an environment that has inspect_ai.

Samples go into the log's zip file as they are read, since `write_eval_log` needs minutes for 20,000 of them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from inspect_ai.log import (  # type: ignore[import-not-found]
    EvalConfig,
    EvalDataset,
    EvalLog,
    EvalResults,
    EvalSample,
    EvalSpec,
)
from inspect_ai.scorer import Score  # type: ignore[import-not-found]


def main(run: Path, log: Path) -> None:
    """Write the log, with a sample for each episode."""
    summaries: list[dict[str, Any]] = []
    with ZipFile(log, "w", ZIP_DEFLATED) as file:
        for sample in _samples(run):
            name = f"samples/{sample.id}_epoch_{sample.epoch}.json"
            file.writestr(name, sample.model_dump_json(exclude_none=True))
            summaries.append(sample.summary().model_dump(mode="json", exclude_none=True))
        epochs = max(summary["epoch"] for summary in summaries)
        spec = EvalSpec(
            created="2025-01-01T00:00:00+00:00",
            task="large",
            model="none/none",
            dataset=EvalDataset(name="large", samples=len(summaries) // epochs),
            config=EvalConfig(epochs=epochs),
        )
        results = EvalResults(total_samples=len(summaries), completed_samples=len(summaries))
        header = EvalLog(status="success", eval=spec, results=results)
        start = {"version": header.version, "eval": spec.model_dump(mode="json"), "plan": header.plan.model_dump()}
        file.writestr("_journal/start.json", json.dumps(start))
        file.writestr("summaries.json", json.dumps(summaries))
        file.writestr("header.json", header.model_dump_json(exclude={"samples"}, exclude_none=True))


def _samples(run: Path) -> Iterator[Any]:
    with (run / "episodes.jsonl").open() as episodes, (run / "grades.jsonl").open() as grades:
        for record, grade in zip(map(json.loads, episodes), map(json.loads, grades), strict=True):
            yield EvalSample(
                id=record["task_id"],
                epoch=record["trial"] + 1,
                input=record["task_id"],
                target="",
                messages=[_message(each) for each in record["messages"]],
                scores={"reward": Score(value=grade["reward"] or 0.0)},
            )


def _message(told: dict[str, Any]) -> dict[str, Any]:
    """Return a message in Inspect's format; both have the same roles."""
    message = {"role": told["role"], "content": told.get("content") or ""}
    if told["role"] == "tool":
        return message | {"tool_call_id": told["id"]}
    if told["role"] == "assistant" and told.get("tool_calls"):
        calls = [
            {"id": call["id"], "function": call["name"], "arguments": call["arguments"]} for call in told["tool_calls"]
        ]
        return message | {"tool_calls": calls}
    return message


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
