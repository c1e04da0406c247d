"""Measures tau2-bench's gym wrapper by its public interface; runs where it can be imported, with nothing of ours.

It reads what to do from standard input, as JSON, and writes the figures to a file, since others may print.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def resident() -> int:
    """Return this process's resident memory in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def processor(work: Callable[[], object]) -> float:
    """Return the processor seconds of doing work."""
    started = time.process_time()
    work()
    return time.process_time() - started


def measured(wish: dict[str, Any], make: Callable[..., Any], size: int) -> dict[str, float]:
    """Open environments; return seconds and megabytes for that, and how many resets and steps a second they do."""
    gc.collect()
    before, started = resident(), time.process_time()
    envs = [make(**wish["options"]) for _ in range(size)]
    for env in envs:
        env.reset()
    opened, megabytes = time.process_time() - started, (resident() - before) / 1e6
    resets, steps = max(wish["resets"] // size, 1), max(wish["steps"] // size, 1)
    reset = processor(lambda: [env.reset() for _ in range(resets) for env in envs]) / resets / size
    step = processor(lambda: [env.step(wish["action"]) for _ in range(steps) for env in envs]) / steps / size
    for env in envs:
        env.close()
    return {"opened": opened, "megabytes": megabytes, "resets": 1 / reset, "steps": 1 / step}


def main() -> None:
    wish = json.load(sys.stdin)
    result: dict[str, Any] = {"missing": None, "too_large": None, "figures": {}}
    try:
        from tau2.gym.gym_agent import AgentGymEnv
    except Exception as error:  # noqa: BLE001 - whatever its import raises is what has to be said
        result["missing"] = f"{type(error).__name__}: {error}"
    else:
        each = 0.0
        for size in wish["sizes"]:
            if each * size > wish["megabytes"]:
                result["too_large"] = [size, each * size]
                break
            result["figures"][size] = figures = measured(wish, AgentGymEnv, size)
            each = figures["megabytes"] / size
    Path(wish["result"]).write_text(json.dumps(result))


main()
