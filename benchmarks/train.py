"""The cost of training environments: resets and steps of 1, 64 and 4,096 in one process, and their memory.

Rates are by CPU time, so other load on the machine does not affect them.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable
from pathlib import Path

import gymnasium
import tau2_gymnasium
from tau2_core.episode.environment import Environment
from tau2_core.model.messages import ToolCall

from benchmarks.measure import OFFICIAL, Figure

DOMAIN = "retail"
READ = "get_order_details"
SIZES = (1, 64, 4096)
STEPS = 8192  # over all environments
RESETS = 4096
OPEN = f"tau2_gymnasium:tau2_gym/{DOMAIN}-v0"


def train_figures() -> list[Figure]:
    """Return the figures of one environment, and of vectors of each size."""
    bare, call = _bare()
    figures = [Figure("a bare tool call", bare, "µs")]
    figures += _single(bare, call)
    for size in SIZES:
        figures += _vector(size, call)
    return figures


def _bare() -> tuple[float, ToolCall]:
    """Return a reading tool call, and the microseconds that it takes in a bare environment."""
    env = tau2_gymnasium.AgentEnv(DOMAIN)
    setting = env.factory.setting
    gold = [action for task in env.factory.tasks.values() for action in task.gold()]
    action = next(action for action in gold if action.name == READ)
    call = ToolCall(name=action.name, arguments=action.arguments)
    environment = Environment(setting)
    return _processor(lambda: environment.call(call), STEPS) / STEPS * 1e6, call


def _single(bare: float, call: ToolCall) -> list[Figure]:
    env = gymnasium.make(OPEN, max_steps=10**9, disable_env_checker=True).unwrapped
    action = json.dumps({"name": call.name, "arguments": call.arguments})
    resets = _processor(env.reset, RESETS)
    env.reset(seed=1)
    seconds = 0.0
    for _ in range(STEPS // 64):  # episodes have about 64 steps, not thousands
        env.reset()
        seconds += _processor(lambda: env.step(action), 64)
    env.close()
    step = seconds / STEPS * 1e6
    return [
        Figure("one environment: a reset", resets / RESETS * 1e6, "µs", 50, OFFICIAL[DOMAIN]["reset"]),
        Figure("  tool-call steps", 1e6 / step, "/s", 10_000, more_is_better=True),
        Figure("  step time / bare call time", step - bare, "µs", 15),
    ]


def _vector(size: int, call: ToolCall) -> list[Figure]:
    action = json.dumps({"name": call.name, "arguments": call.arguments})
    tau2_gymnasium.VectorAgentEnv(DOMAIN, num_envs=1).close()
    gc.collect()
    started = time.process_time()
    envs = tau2_gymnasium.VectorAgentEnv(DOMAIN, num_envs=size, max_steps=10**9)
    envs.factory.setting.bases()
    idle = _resident()
    loaded = time.process_time() - started
    started = time.process_time()
    envs.reset(seed=1)
    opened = time.process_time() - started
    gc.collect()
    megabytes = (_resident() - idle) / 1e6
    rounds = max(STEPS // size, 2)
    resets = _processor(envs.reset, max(RESETS // size, 1)) / max(RESETS // size, 1) / size
    actions = [action] * size
    steps = _processor(lambda: envs.step(actions), min(rounds, 64)) / min(rounds, 64) / size
    envs.close()
    figures = [
        Figure(f"a vector of {size:,}: start all episodes, first time", opened, "s"),
        Figure("  resets", 1 / resets, "/s", more_is_better=True),
        Figure("  tool-call steps", 1 / steps, "/s", 10_000, more_is_better=True),
    ]
    if size == max(SIZES):
        figures.append(Figure("  memory above the idle domain", megabytes, "MB", 50))
        figures.append(Figure("  reading the domain", loaded, "s"))
    return figures


def _processor(work: Callable[[], object], repeats: int) -> float:
    """Return the CPU seconds of repeating some work."""
    work()
    started = time.process_time()
    for _ in range(repeats):
        work()
    return time.process_time() - started


def _resident() -> int:
    """Return this process's resident memory in bytes, or 1 if the system does not report it."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    except OSError:
        return 1
