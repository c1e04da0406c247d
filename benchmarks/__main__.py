"""`python -m benchmarks [DOMAIN…]`: what a world, a call, a grade and a rollout cost on this machine."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Figure, command_line, domain_figures

DOMAINS = ("airline", "mock", "retail")


def main(domains: list[str]) -> None:
    """Measure the domains and the command line, and print a table each."""
    screen = Console(width=130)
    for domain in domains:
        screen.print(_table(f"{domain}: own data, own tasks", domain_figures(domain)))
    screen.print(_table("command line", command_line()))
    screen.print("tau2-bench: as measured on a 2-core machine of this kind. ×: how many times better ours is.")


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
    main(sys.argv[1:] or list(DOMAINS))
