"""Episodes that end well by our rules alone are exported as official code would record them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

Gym = Callable[..., CompletedProcess[str]]


def test_an_end_in_the_last_step_is_exported_as_the_limit(gym: Gym, tmp_path: Path) -> None:
    play = ("run", "mock", "--task", "complete_task")
    assert gym(*play, "--name", "free").returncode == 0
    steps = json.loads((tmp_path / "runs/free/episodes.jsonl").read_text())["steps"]
    for name, most, end, reward in (("last", steps, "max_steps", 0.0), ("more", steps + 1, "user_stop", 1.0)):
        assert gym(*play, "--name", name, "--max-steps", str(most)).returncode == 0
        done = gym("export", f"runs/{name}", f"{name}.json")
        assert done.returncode == 0, done.stderr
        (simulation,) = json.loads((tmp_path / f"{name}.json").read_text())["simulations"]
        assert (simulation["termination_reason"], simulation["reward_info"]["reward"]) == (end, reward)
        assert gym("grade", f"{name}.json", "--compare").returncode == 0
