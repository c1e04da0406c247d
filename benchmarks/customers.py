"""Faults of simulated customers in recorded conversations: rates by domain and model, precision, and time.

`customer_labels.csv` has the findings that were checked by hand, without their text: `right`, or `wrong` if the reader
does not see the fault. Its `simulation` and `message` count from 0.
"""

from __future__ import annotations

import csv
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from tau2_core.adapters.tau2_bench.results import read_result_file, result_files
from tau2_core.model.lazy import loaded
from tau2_core.model.user_review import ReviewedConversation, UserReview
from tau2_core.runs.loading import load_setting, open_catalogue
from tau2_core.user_review.review import review

LABELS = Path(__file__).with_name("customer_labels.csv")
FEWEST = 10  # conversations of a customer's model for a row of its own


@dataclass(frozen=True)
class Reviewed:
    """One conversation: its domain, its file, its place there, the customer's model, the reward, and the review."""

    domain: str
    file: str
    number: int
    model: str
    reward: float | None
    review: UserReview


def customer_tables(simulations: Path) -> list[Table]:
    """Return the tables for a folder with a subfolder of official result files for each domain."""
    started = time.process_time()
    conversations = list(_reviewed(simulations))
    seconds = time.process_time() - started
    if not conversations:
        raise SystemExit(f"{simulations} contains no conversations; give their folder with --simulations")
    each = f"{seconds / len(conversations) * 1e3:.1f} ms of CPU time each, including reading the file"
    return [_rates(conversations, each), _detectors(conversations), _precision(conversations)]


def _reviewed(simulations: Path) -> Iterator[Reviewed]:
    catalogue = open_catalogue()
    detectors = {name: loaded(spec.detect) for name, spec in catalogue.detectors().items()}
    for folder in sorted(path for path in simulations.iterdir() if path.is_dir()):
        domain = folder.name.partition("-")[0]
        setting = load_setting(catalogue, domain)
        tools, user_tools = setting.known_tools("agent"), setting.known_tools("user")
        for path in result_files(folder):
            file = read_result_file(path)
            model = str((file.info.get("user_info") or {}).get("llm") or "scripted")
            for number in range(len(file.simulations)):
                found = file.conversation(number, domain)
                conversation = ReviewedConversation(found.task, found.record, tools, user_tools)
                reward = None if found.verdict is None else found.verdict.reward
                yield Reviewed(folder.name, path.name, number, model, reward, review(conversation, detectors))


def _rates(conversations: list[Reviewed], note: str) -> Table:
    table = Table(title=f"customers: {len(conversations):,} conversations, {note}", title_justify="left")
    for title in ("domain", "customer's model", "conversations", "minor", "decisive", "failed", "of them decisive"):
        table.add_column(title, justify="left" if title in ("domain", "customer's model") else "right")
    groups: dict[tuple[str, str], list[Reviewed]] = defaultdict(list)
    for each in conversations:
        groups[each.domain, "all"].append(each)
        groups[each.domain, each.model].append(each)
    for (domain, model), group in sorted(groups.items(), key=lambda item: (item[0][0], -len(item[1]))):
        if model != "all" and len(group) < FEWEST:
            continue
        faults = Counter(each.review.customer_fault for each in group)
        failed = [each for each in group if each.reward == 0]
        caused = sum(each.review.customer_fault == "decisive" for each in failed)
        shares = (f"{faults[name] / len(group):.0%}" for name in ("minor", "decisive"))
        share = f"{caused} ({caused / len(failed):.0%})" if failed else "–"
        table.add_row(domain, model, str(len(group)), *shares, str(len(failed)), share)
    return table


def _detectors(conversations: list[Reviewed]) -> Table:
    table = Table(title="by detector, in how many conversations", title_justify="left")
    for title in ("detector", "minor", "decisive"):
        table.add_column(title, justify="left" if title == "detector" else "right")
    counts: Counter[tuple[str, str]] = Counter()
    for each in conversations:
        counts.update({(finding.detector, finding.severity) for finding in each.review.findings})
    for detector in sorted({detector for detector, _ in counts}):
        table.add_row(detector, str(counts[detector, "minor"]), str(counts[detector, "decisive"]))
    return table


def _precision(conversations: list[Reviewed]) -> Table:
    table = Table(title="findings that were checked by hand", title_justify="left")
    for title in ("detector", "checked", "right", "no longer found"):
        table.add_column(title, justify="left" if title == "detector" else "right")
    found = {
        (each.domain, each.file, str(each.number), str(finding.message), finding.detector)
        for each in conversations
        for finding in each.review.findings
    }
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    with LABELS.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            place = tuple(row[name] for name in ("domain", "file", "simulation", "message", "detector"))
            labels[row["detector"]][row["label"] if place in found else "gone"] += 1
    for detector, counts in sorted(labels.items()):
        table.add_row(detector, str(counts.total()), str(counts["right"]), str(counts["gone"]))
    return table
