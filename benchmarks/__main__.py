"""`python -m benchmarks [SECTION…]`: what a world, a call, a grade, a rollout and a server cost on this machine.

Sections: the domains, `cli`, and `gym` (which takes a minute, and wants a machine that does nothing else).
"""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Figure, command_line, domain_figures

DOMAINS = ("airline", "mock", "retail", "telecom")


def main(sections: list[str]) -> None:
    """Measure what is named, by default the domains and the command line, and print a table each."""
    screen = Console(width=130)
    for section in sections:
        if section == "cli":
            screen.print(_table("command line", command_line()))
        elif section == "gym":
            _gym(screen)
        else:
            screen.print(_table(f"{section}: own data, own tasks", domain_figures(section)))
    screen.print("tau2-bench: as measured on a 2-core machine of this kind. ×: how many times better ours is.")


def _gym(screen: Console) -> None:
    from benchmarks.gym import WORLDS, compare

    rows, megabytes = compare()
    titles = ("protocol", "sessions", "calls/s", "bare", "ratio", "set-up ms", "bare", "ratio")
    table = Table(*titles, title="gym: beside a bare SDK server (aims: ratio of calls ≥ 0.9, of set-up ≤ 1.1)")
    for row in rows:
        table.add_row(*row.row())
    screen.print(table)
    screen.print(f"{WORLDS} open retail worlds: {megabytes:.1f} MB above the idle server (aim ≤ 100)")


def _table(title: str, figures: list[Figure]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name, justify in (
        ("what", "left"),
        ("ours", "right"),
        ("aim", "right"),
        ("tau2-bench", "right"),
        ("×", "right"),
    ):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for figure in figures:
        table.add_row(*figure.row())
    return table


if __name__ == "__main__":
    main(sys.argv[1:] or [*DOMAINS, "cli"])
