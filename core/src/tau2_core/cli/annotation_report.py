"""How far labels agree with a run's verdicts and with one another, in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tau2_core.cli.safe_text import safe, say
from tau2_core.cli.tables import console, folding_table

if TYPE_CHECKING:
    from rich.table import Table

    from tau2_core.records.label_agreement import LabelReport

ABOUT = {"criterion": "", "assertion": "assertions", "customer_fault": "customer's fault"}


def show_agreement(report: LabelReport, folder: str) -> None:
    """Print the agreement of each pair of raters, the annotators' reliability, and which detectors labels confirm."""
    screen = console()
    given = ", ".join(f"{safe(name)} {count}" for name, count in report.labels.items()) or "none"
    screen.print(f"labels in {folder}: {given}", soft_wrap=True)
    if not report.labels:
        screen.print(f"`tau2-gym annotate {folder}` in a terminal asks for them", soft_wrap=True)
        return
    if report.pairs:
        table = _table("about", "annotator", "and", "items", "agreed", "kappa")
        for each in report.pairs:
            about = ABOUT[each.about] or each.name
            figures = (str(each.items), f"{each.agreed:.0%}", _figure(each.kappa))
            table.add_row(safe(about), safe(each.first), safe(each.second), *figures)
        screen.print(table)
        screen.print("kappa: Cohen's; 1 is full agreement, 0 that of chance; – if only one answer was given")
    if report.reliability:
        table = _table("about", "annotators", "items", "alpha")
        for found in report.reliability:
            row = (str(found.annotators), str(found.items), _figure(found.alpha))
            table.add_row(safe(ABOUT[found.about] or found.name), *row)
        screen.print(table)
        screen.print("alpha: Krippendorff's, over all annotators; ordinal for the customer's fault")
    if report.detectors:
        table = _table("detector", "annotator", "found in", "faulty by label")
        for hit in report.detectors:
            table.add_row(safe(hit.detector), safe(hit.annotator), str(hit.found), str(hit.confirmed))
        screen.print(table)
    if report.lacking:
        say(report.lacking, err=True)


def _table(*titles: str) -> Table:
    names = [title for title in titles if title in ("about", "annotator", "and", "detector")]
    table = folding_table(names, ())
    for title in titles[len(names) :]:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
