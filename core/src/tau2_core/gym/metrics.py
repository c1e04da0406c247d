"""Metrics of a running server in the Prometheus text format."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping

from msgspec import Struct, field

BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


class Figures(Struct):
    """Counters since the start of one process; `buckets` are those of the latency of tool calls."""

    open: int = 0
    created: int = 0
    expired: int = 0
    calls: dict[str, int] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0

    @property
    def events(self) -> int:
        """The number of created episodes and tool calls."""
        return self.created + sum(self.calls.values())

    def called(self, domain: str, seconds: float, failure: str | None) -> None:
        """Count one tool call."""
        self.calls[domain] = self.calls.get(domain, 0) + 1
        if failure is not None:
            self.failures[failure] = self.failures.get(failure, 0) + 1
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds


def total(all_figures: Iterable[Figures]) -> Figures:
    """Return the sum of the figures of several processes."""
    summed = Figures()
    calls: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    for each in all_figures:
        summed.open += each.open
        summed.created += each.created
        summed.expired += each.expired
        calls.update(each.calls)
        failures.update(each.failures)
        summed.buckets = [own + other for own, other in zip(summed.buckets, each.buckets, strict=True)]
        summed.seconds += each.seconds
    summed.calls, summed.failures = dict(calls), dict(failures)
    return summed


def metrics_text(figures: Figures, gauges: Mapping[str, tuple[str, str, int]]) -> str:
    """Return figures in the Prometheus text format, followed by `gauges`: name to (kind, description, value)."""
    lines = [
        *_metric("tau2_gym_open_episodes", "gauge", "Episodes that are open", {"": figures.open}),
        *_metric("tau2_gym_episodes_created_total", "counter", "Episodes created", {"": figures.created}),
        *_metric("tau2_gym_episodes_expired_total", "counter", "Episodes expired", {"": figures.expired}),
        *_metric("tau2_gym_tool_calls_total", "counter", "Tool calls", _labelled("domain", figures.calls)),
        *_metric("tau2_gym_tool_errors_total", "counter", "Failed tool calls", _labelled("kind", figures.failures)),
    ]
    for name, (kind, text, value) in gauges.items():
        lines += _metric(name, kind, text, {"": value})
    lines += [
        "# HELP tau2_gym_tool_call_seconds Latency of tool calls",
        "# TYPE tau2_gym_tool_call_seconds histogram",
    ]
    count_so_far = 0
    for bound, count in zip((*BOUNDS, "+Inf"), figures.buckets, strict=True):
        count_so_far += count
        lines.append(f'tau2_gym_tool_call_seconds_bucket{{le="{bound}"}} {count_so_far}')
    lines += [
        f"tau2_gym_tool_call_seconds_sum {figures.seconds:.6f}",
        f"tau2_gym_tool_call_seconds_count {count_so_far}",
    ]
    return "\n".join(lines) + "\n"


def _metric(name: str, kind: str, text: str, values: dict[str, int]) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *(f"{name}{label} {v}" for label, v in values.items())]


def _labelled(label: str, values: dict[str, int]) -> dict[str, int]:
    return {f'{{{label}="{name}"}}': value for name, value in sorted(values.items())}
