"""Measure tau2-bench's gym wrapper through its public interface, in an environment without our packages.

It reads a request as JSON from standard input, and writes the figures to a file, since tau2-bench may print.
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


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds of some work."""
    started = time.process_time()
    work()
    return time.process_time() - started


def measured(request: dict[str, Any], make: Callable[..., Any], size: int) -> dict[str, float]:
    """Open environments; return the seconds and megabytes that this takes, and their resets and steps per second."""
    gc.collect()
    before, started = resident(), time.process_time()
    envs = [make(**request["options"]) for _ in range(size)]
    for env in envs:
        env.reset()
    opened, megabytes = time.process_time() - started, (resident() - before) / 1e6
    resets, steps = max(request["resets"] // size, 1), max(request["steps"] // size, 1)
    reset = cpu_seconds(lambda: [env.reset() for _ in range(resets) for env in envs]) / resets / size
    step = cpu_seconds(lambda: [env.step(request["action"]) for _ in range(steps) for env in envs]) / steps / size
    for env in envs:
        env.close()
    return {"opened": opened, "megabytes": megabytes, "resets": 1 / reset, "steps": 1 / step}


def main() -> None:
    request = json.load(sys.stdin)
    result: dict[str, Any] = {"missing": None, "too_large": None, "figures": {}}
    try:
        from tau2.gym.gym_agent import AgentGymEnv
    except Exception as error:  # noqa: BLE001 - the import may raise anything; the result reports it
        result["missing"] = f"{type(error).__name__}: {error}"
    else:
        each = 0.0
        for size in request["sizes"]:
            if each * size > request["megabytes"]:
                result["too_large"] = [size, each * size]
                break
            result["figures"][size] = figures = measured(request, AgentGymEnv, size)
            each = figures["megabytes"] / size
    Path(request["result"]).write_text(json.dumps(result))


main()
