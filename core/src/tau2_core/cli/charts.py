"""Intervals drawn with characters, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tau2_core.records.statistics import Estimate

WIDEST, NARROWEST = 51, 11
FIGURES = len("+0.000 [+0.000, +0.000]")  # keeps charts with and without signs aligned


def interval_chart(
    rows: Sequence[tuple[str, Estimate | None]], screen: int, *, low: float = 0.0, high: float = 1.0
) -> list[str]:
    """Return one line per row (a name, the figure with its interval, and a drawing), and the scale below them.

    `screen` is the number of characters per line.
    """
    names = max((len(name) for name, _ in rows), default=0)
    texts = [shown(estimate, signed=low < 0) for _, estimate in rows]
    margin = names + FIGURES + 4
    width = max(NARROWEST, min(WIDEST, screen - margin))
    width -= 1 - width % 2  # odd, so that the middle of the scale has a column of its own
    lines = [
        f"{f'{name:<{names}}  {text}':<{margin}}{_drawn(estimate, low, high, width) if estimate else ''}".rstrip()
        for (name, estimate), text in zip(rows, texts, strict=True)
    ]
    scale = f"{low:<{width // 2}g}{(low + high) / 2:g}"
    return [*lines, " " * margin + f"{scale}{high:>{width - len(scale)}g}"]


def shown(estimate: Estimate | None, *, signed: bool = False) -> str:
    """Return a figure with its interval, `0.750 [0.512, 0.896]`."""
    if estimate is None:
        return "–"
    sign = "+" if signed else ""
    return f"{estimate.value:{sign}.3f} [{estimate.low:{sign}.3f}, {estimate.high:{sign}.3f}]"


def _drawn(estimate: Estimate, low: float, high: float, width: int) -> str:
    left, point, right = (
        round((each - low) / (high - low) * (width - 1)) for each in (estimate.low, estimate.value, estimate.high)
    )
    line = ["·"] * width
    line[left : right + 1] = "─" * (right + 1 - left)
    line[left], line[right] = "├", "┤"
    line[point] = "●"
    return "".join(line)
