"""The contract of every pack: the checks of `tau2-gym check` as one assertion."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tau2_core.runs.check import check_domain
from tau2_core.runs.loading import open_catalogue


def assert_pack_contract(domain: str, *, packs: Sequence[str | Path] = ()) -> None:
    """Fail with every problem of a pack: files, bindings, prompts, data, and tasks that do not work as declared.

    `packs` are folders of packs that are not installed. Raises AssertionError, or UsageError if there is no such pack.
    """
    report = check_domain(open_catalogue([Path(pack) for pack in packs]), domain)
    if report.problems:
        listed = "\n".join(map(str, report.problems))
        raise AssertionError(f"{domain}: {len(report.problems)} problems\n{listed}")
