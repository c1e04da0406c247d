"""Metrics of a running server in the Prometheus text format."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


class Metrics:
    """Counters since the start, and the latency of tool calls in seconds."""

    def __init__(self, open_episodes: Callable[[], int]) -> None:
        self._open = open_episodes
        self.created = 0
        self.expired = 0
        self.calls: dict[str, int] = {}
        self.failures: dict[str, int] = {}
        self._buckets = [0] * (len(BOUNDS) + 1)
        self._seconds = 0.0

    @property
    def events(self) -> int:
        """The number of created episodes and tool calls."""
        return self.created + sum(self.calls.values())

    def called(self, domain: str, seconds: float, failure: str | None) -> None:
        """Count one tool call."""
        self.calls[domain] = self.calls.get(domain, 0) + 1
        if failure is not None:
            self.failures[failure] = self.failures.get(failure, 0) + 1
        self._buckets[bisect_left(BOUNDS, seconds)] += 1
        self._seconds += seconds

    def text(self) -> str:
        """Return all metrics in the Prometheus text format."""
        lines = [
            *_metric("tau2_gym_open_episodes", "gauge", "Episodes that are open", {"": self._open()}),
            *_metric("tau2_gym_episodes_created_total", "counter", "Episodes created", {"": self.created}),
            *_metric("tau2_gym_episodes_expired_total", "counter", "Episodes expired", {"": self.expired}),
            *_metric("tau2_gym_tool_calls_total", "counter", "Tool calls", _labelled("domain", self.calls)),
            *_metric("tau2_gym_tool_errors_total", "counter", "Failed tool calls", _labelled("kind", self.failures)),
            "# HELP tau2_gym_tool_call_seconds Latency of tool calls",
            "# TYPE tau2_gym_tool_call_seconds histogram",
        ]
        total = 0
        for bound, count in zip((*BOUNDS, "+Inf"), self._buckets, strict=True):
            total += count
            lines.append(f'tau2_gym_tool_call_seconds_bucket{{le="{bound}"}} {total}')
        lines += [f"tau2_gym_tool_call_seconds_sum {self._seconds:.6f}", f"tau2_gym_tool_call_seconds_count {total}"]
        return "\n".join(lines) + "\n"


def _metric(name: str, kind: str, text: str, values: dict[str, int]) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *(f"{name}{label} {v}" for label, v in values.items())]


def _labelled(label: str, values: dict[str, int]) -> dict[str, int]:
    return {f'{{{label}="{name}"}}': value for name, value in sorted(values.items())}
