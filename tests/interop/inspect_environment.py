"""Running Inspect in its own environment, against a scripted endpoint."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import litellm
from tau2_core.testing.scripted_endpoint import ScriptedEndpoint

from .conftest import run_to_end

ROOT = Path(__file__).resolve().parents[2]
# A copy of the vocabulary with which Inspect counts tokens, since it would fetch one.
VOCABULARY = Path(litellm.__file__).parent / "litellm_core_utils" / "tokenizers"
READ = """
import json, sys
from inspect_ai.log import read_eval_log
log = read_eval_log(sys.argv[1])
json.dump(json.loads(log.model_dump_json()), sys.stdout)
"""


def inspect_python(python_with: Callable[..., Path]) -> Path:
    """Return the interpreter of an environment with Inspect and our packages, beside our own dependencies."""
    packs = [f"domains/{name}" for name in ("airline", "mock", "telecom")]
    ours = [str(ROOT / part) for part in ("core", *packs, "integrations/inspect")]
    return python_with("inspect", "inspect_ai==0.3.285", "openai", *ours)


def inspect_eval(
    python: Path, folder: Path, task: str, endpoint: ScriptedEndpoint, *options: str, ok: tuple[int, ...] = (0,)
) -> dict[str, Any]:
    """Run `inspect eval` in a folder and return its log."""
    own = {"TIKTOKEN_CACHE_DIR": str(VOCABULARY), "SCRIPTED_API_KEY": "none", "SCRIPTED_BASE_URL": endpoint.url}
    env = {key: value for key, value in os.environ.items() if not key.startswith(("INSPECT", "PYTHON"))} | own
    models = ("--model", "openai-api/scripted/agent", "--model-role", "user=openai-api/scripted/customer")
    logs = folder / "logs"
    command = [str(python.parent / "inspect"), "eval", task, *models, "--display", "none", "--log-dir", str(logs)]
    run_to_end([*command, *options], cwd=folder, env=env, ok=ok, seconds=600)
    (log,) = logs.glob("*.eval")
    return read(python, log)


def read(python: Path, log: Path) -> dict[str, Any]:
    """Return a log as Inspect reads it."""
    content: dict[str, Any] = json.loads(run_to_end([str(python), "-c", READ, str(log)], cwd=log.parent))
    return content


def rewards_of(log: dict[str, Any]) -> dict[str, float]:
    """Return the reward of each sample."""
    return {sample["id"]: sample["scores"]["tau2"]["value"] for sample in log["samples"]}
