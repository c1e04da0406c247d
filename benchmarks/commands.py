"""Measure a tau2-gym command: its time, and the CPU time and memory of its own process and its workers."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

# Runs the command, and writes the CPU time and memory of its process and of its finished children.
_MEASURED = """
import atexit, json, resource, runpy, sys

file, sys.argv = sys.argv[1], sys.argv[1:]

def write_usage():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    with open(file, "w") as usage:
        json.dump([[each.ru_utime + each.ru_stime, each.ru_maxrss / 1e3] for each in used], usage)

atexit.register(write_usage)
runpy.run_module("tau2_core", run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True)
class Used:
    """Elapsed seconds; CPU seconds and peak memory in MB of the command's own process, and of its workers.

    The memory of the workers is that of the largest of them.
    """

    seconds: float
    own_cpu: float
    own_memory: float
    workers_cpu: float
    workers_memory: float

    @property
    def cpu(self) -> float:
        return self.own_cpu + self.workers_cpu

    @property
    def memory(self) -> float:
        """The peak memory of the largest process, in MB."""
        return max(self.own_memory, self.workers_memory)


def measured_command(arguments: list[str]) -> Used:
    """Run `tau2-gym` with these arguments, and return what it used. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        usage = Path(folder, "usage.json")
        command = [sys.executable, "-c", _MEASURED, str(usage), *arguments]
        started = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        seconds = time.perf_counter() - started
        (own_cpu, own_memory), (workers_cpu, workers_memory) = json.loads(usage.read_text(encoding="utf-8"))
    return Used(seconds, own_cpu, own_memory, workers_cpu, workers_memory)
