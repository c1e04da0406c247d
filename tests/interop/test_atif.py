"""ATIF: Harbor's own models, which accept no unknown field, read our trajectories and write them as we did."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

SCRIPT = Path(__file__).with_name("atif_read.py")
RUNS = {
    "airline": ("airline", "--num-tasks", "20"),
    "telecom": ("telecom", "--num-tasks", "20"),
    "mock": ("mock", "--trials", "2", "--agent", "random", "--max-steps", "30"),
    "solo": ("mock", "--solo"),
}


def test_harbor_reads_our_trajectories(
    gym: Callable[..., CompletedProcess[str]],
    python_with: Callable[..., Path],
    program: Callable[..., str],
    tmp_path: Path,
) -> None:
    written = []
    for name, options in RUNS.items():
        assert gym("run", *options, "--name", name).returncode == 0
        done = gym("export", f"runs/{name}", f"{name}.jsonl", "--to", "atif")
        assert done.returncode == 0, done.stderr
        written.append(int(done.stdout.split()[0]))
    # Harbor asks for a newer Python than we do, and for much that its models do not need.
    own = ("pydantic", "pydantic-core", "annotated-types", "typing-extensions", "typing-inspection")
    theirs = python_with("harbor", "--no-deps", "--ignore-requires-python", "harbor==0.26.0", *own)
    read = program([str(theirs), str(SCRIPT), *(f"{name}.jsonl" for name in RUNS)], cwd=tmp_path)
    assert json.loads(read) == written
    assert min(written) >= 10
