"""Measure training environments: resets and steps of 1, 64 and 4,096 of them in one process, and their memory.

Rates are by CPU time, so other load on the machine does not affect them.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import gymnasium
import tau2_gymnasium
from tau2_core.episode.environment import Environment
from tau2_core.model.messages import ToolCall

from benchmarks.measure import OFFICIAL, Figure
from benchmarks.tau2_bench import ACTION, measure_theirs

DOMAIN = "retail"
READ = "get_order_details"
SIZES = (1, 64, 4096)
STEPS = 8192  # over all environments
RESETS = 4096
LENGTH = 64  # resets or steps in a round; episodes have about 64 steps, not thousands
ROUNDS = 200  # of one environment; the fastest counts, because other work on the machine evicts its caches
OPEN = f"tau2_gymnasium:tau2_gym/{DOMAIN}-v0"


def train_figures(sizes: Sequence[int] = SIZES, tau2_bench: Path | None = None) -> tuple[list[Figure], str]:
    """Return the figures of one environment, and of vectors of each size; and a remark about tau2-bench's."""
    theirs = measure_theirs(tau2_bench, DOMAIN, sizes)
    bare, call = _bare()
    figures = [Figure("a bare tool call", bare, "µs")]
    figures += _single(bare, call, theirs.figures.get(1))
    for size in sizes:
        figures += _vector(size, call, theirs.figures.get(size, {}))
    return figures, theirs.remark


def _bare() -> tuple[float, ToolCall]:
    """Return a reading tool call, and the microseconds that it takes in a bare environment."""
    env = tau2_gymnasium.AgentEnv(DOMAIN)
    setting = env.factory.setting
    gold = [action for task in env.factory.tasks.values() for action in task.gold()]
    action = next(action for action in gold if action.name == READ)
    call = ToolCall(name=action.name, arguments=action.arguments)
    environment = Environment(setting)
    return min(_cpu_seconds(lambda: environment.call(call), LENGTH) for _ in range(ROUNDS)) / LENGTH * 1e6, call


def _single(bare: float, call: ToolCall, theirs: Mapping[str, float] | None) -> list[Figure]:
    env = gymnasium.make(OPEN, max_steps=10**9, disable_env_checker=True).unwrapped
    action = json.dumps({"name": call.name, "arguments": call.arguments})
    reset = min(_cpu_seconds(env.reset, LENGTH) for _ in range(ROUNDS)) / LENGTH * 1e6
    env.reset(seed=1)
    rounds = []
    for _ in range(ROUNDS):
        env.reset()
        rounds.append(_cpu_seconds(lambda: env.step(action), LENGTH) / LENGTH * 1e6)
    env.close()
    step = min(rounds)
    official = 1e6 / theirs["resets"] if theirs else OFFICIAL[DOMAIN]["reset"]
    return [
        Figure("one environment: a reset", reset, "µs", 50, official),
        Figure("  tool-call steps", 1e6 / step, "/s", 10_000, more_is_better=True),
        Figure("  step minus bare call", step - bare, "µs", 15),
    ]


def _vector(size: int, call: ToolCall, theirs: Mapping[str, float]) -> list[Figure]:
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
    resets = _cpu_seconds(envs.reset, max(RESETS // size, 1)) / max(RESETS // size, 1) / size
    actions = [action] * size
    steps = _cpu_seconds(lambda: envs.step(actions), min(rounds, 64)) / min(rounds, 64) / size
    same = [json.dumps(ACTION)] * size
    rounds = min(rounds, 64)
    compared = _cpu_seconds(lambda: envs.step(same), rounds) / rounds / size
    envs.close()
    aim = 50 if size == max(SIZES) else None
    return [
        Figure(f"a vector of {size:,}: start all episodes, first time", opened, "s", official=theirs.get("opened")),
        Figure("  resets", 1 / resets, "/s", official=theirs.get("resets"), more_is_better=True),
        Figure("  tool-call steps", 1 / steps, "/s", 10_000, more_is_better=True),
        Figure(f"  steps of {ACTION['name']}", 1 / compared, "/s", official=theirs.get("steps"), more_is_better=True),
        Figure("  memory above the idle domain", megabytes, "MB", aim, theirs.get("megabytes")),
        Figure("  loading the domain", loaded, "s"),
    ]


def _cpu_seconds(work: Callable[[], object], repeats: int) -> float:
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
