"""Intervals drawn with characters, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tau2_core.runs.statistics import Estimate

WIDTH = 51  # odd, so that the middle of the scale has a column of its own


def interval_chart(rows: Sequence[tuple[str, Estimate]], *, low: float = 0.0, high: float = 1.0) -> list[str]:
    """Return one line a row (a name, the figure with its interval, both drawn), and the scale below them."""
    names = max((len(name) for name, _ in rows), default=0)
    texts = [shown(estimate, signed=low < 0) for _, estimate in rows]
    figures = max((len(text) for text in texts), default=0)
    lines = [
        f"{name:<{names}}  {text:<{figures}}  {_drawn(estimate, low, high)}"
        for (name, estimate), text in zip(rows, texts, strict=True)
    ]
    middle = (low + high) / 2
    scale = f"{low:<{WIDTH // 2}g}{middle:g}"
    return [*lines, " " * (names + figures + 4) + f"{scale}{high:>{WIDTH - len(scale)}g}"]


def shown(estimate: Estimate | None, *, signed: bool = False) -> str:
    """Return a figure with its interval, `0.750 [0.512, 0.896]`."""
    if estimate is None:
        return "–"
    sign = "+" if signed else ""
    return f"{estimate.value:{sign}.3f} [{estimate.low:{sign}.3f}, {estimate.high:{sign}.3f}]"


def _drawn(estimate: Estimate, low: float, high: float) -> str:
    left, point, right = (
        round((each - low) / (high - low) * (WIDTH - 1)) for each in (estimate.low, estimate.value, estimate.high)
    )
    line = ["·"] * WIDTH
    line[left : right + 1] = "─" * (right + 1 - left)
    line[left], line[right] = "├", "┤"
    line[point] = "●"
    return "".join(line)
