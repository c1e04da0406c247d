"""The example of the repository: green with the scripted endpoint, red with an agent that does nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.eval_protocol.conftest import PYTEST, lines, own_variables
from tests.forked import Forks

ROWS = 8
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def example(
    forks: Forks, tmp_path: Path, gym: Callable[..., CompletedProcess[str]]
) -> Callable[..., CompletedProcess[str]]:
    """Run a copy of the examples on the airline's test split: `example(EP_MAX_DATASET_ROWS="5")`."""
    for name in ("conftest.py", "test_airline_agent.py"):
        shutil.copy(EXAMPLES / name, tmp_path)
    done = gym("export", "airline", "airline.jsonl", "--to", "eval-protocol", "--split", "test")
    assert done.returncode == 0, done.stderr

    def run(**variables: str) -> CompletedProcess[str]:
        kept = {key: value for key, value in own_variables().items() if not key.startswith("OPENAI_")}
        return forks.run(PYTEST, cwd=tmp_path, env=kept | variables, timeout=300, program="pytest", litellm=True)

    return run


@pytest.mark.timeout(400)
def test_the_example_passes_with_the_scripted_endpoint(
    example: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    done = example(EP_MAX_DATASET_ROWS=str(ROWS))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    [folder] = tmp_path.glob("runs/*")
    rows = lines(folder / "rows.jsonl")
    assert len(rows) == ROWS
    for row in rows:
        assert row["messages"][0]["role"] == "system"
        assert "<policy>" in row["messages"][0]["content"]
        counts = {name: metric["data"]["in_basis"] for name, metric in row["eval_details"]["metrics"].items()}
        assert all(counts[name] for name in ("DB", "ACTION", "COMMUNICATE", "NL_ASSERTION")), counts
    assert json.loads((folder / "evaluation.json").read_text())["agg_score"] == 1.0
    assert lines(folder / "judgements.jsonl")


@pytest.mark.timeout(400)
def test_the_example_fails_with_an_agent_that_does_nothing(example: Callable[..., CompletedProcess[str]]) -> None:
    done = example(EP_COMPLETION_PARAMS='{"agent": "silent"}', EP_MAX_DATASET_ROWS=str(ROWS))
    assert done.returncode == 1
    assert "test_airline_agent: silent: rate 0.0000 (95 % interval 0.0000 to 0.3" in done.stdout
    assert "is below the threshold of 0.4\n8 rows × 1 run: 0 of 8 solved" in done.stdout
