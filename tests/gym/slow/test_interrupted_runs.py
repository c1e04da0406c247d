"""A run whose handlers hang: Ctrl-C ends it; if handlers run on the event loop, the second Ctrl-C does."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from signal import SIGINT
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.gym.slow.conftest import Gate


def task(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "user_scenario": {"instructions": ""}, **more}


@pytest.fixture
def pack(slow_pack: Path, gate: Gate, tmp_path: Path) -> Path:
    """The slow pack with three tasks: one that succeeds, one with a call that hangs, one with a set-up that hangs."""
    arguments = {"port": gate.port, "name": "hangs"}
    call = {"name": "wait", "arguments": arguments}
    first = {"env_type": "assistant", "func_name": "wait_at_first", "arguments": arguments}
    tasks = [
        task("good", evaluation_criteria={"actions": [{"name": "note", "arguments": {"name": "n"}}]}),
        task("call", evaluation_criteria={"actions": [call], "reward_basis": ["ACTION"]}),
        task("set_up", initial_state={"initialization_actions": [first]}, evaluation_criteria={"actions": []}),
    ]
    folder = tmp_path / slow_pack.name
    shutil.copytree(slow_pack, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "tasks").mkdir()
    (folder / "tasks" / "tasks.yaml").write_text(json.dumps(tasks))
    (folder / "splits.yaml").write_text(json.dumps({"base": [each["id"] for each in tasks]}))
    return folder


@pytest.mark.parametrize("via", ["process", "mcp"])
@pytest.mark.parametrize("hanging", ["call", "set_up"])
def test_ctrl_c_ends_a_run_with_hanging_handlers(
    pack: Path, gate: Gate, tmp_path: Path, via: str, hanging: str
) -> None:
    command = [sys.executable, "-P", "-W", "error", "-m", "tau2_core", "run", pack.name, "--pack", str(pack)]
    command += ["--via", via, "--task", "good", "--task", hanging, "--name", "r", "--concurrency", "1"]
    with (tmp_path / "errors").open("w") as output:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=output)
    try:
        gate.until_waited_for()
        code = pressing_ctrl_c(process, once=via == "mcp")  # handlers run in threads there
    finally:
        process.kill()
        process.wait()
    errors = (tmp_path / "errors").read_text()
    assert (code, errors.count("Traceback")) == (1, 0), errors
    assert "interrupted" in errors
    kept = (tmp_path / "runs" / "r" / "episodes.jsonl").read_text().splitlines()
    assert json.loads(kept[0])["task_id"] == "good"


def pressing_ctrl_c(process: subprocess.Popen[bytes], *, once: bool) -> int:
    """Press Ctrl-C and, unless `once`, again whenever nothing has happened for a second, as people do."""
    for _ in range(60):
        process.send_signal(SIGINT)
        try:
            return process.wait(60 if once else 1)
        except subprocess.TimeoutExpired:
            continue
    pytest.fail("it does not end")
