"""What pytest loads (entry point `tau2_gym`): evaluation tests, fixtures, and a summary. Imports nothing heavy."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tau2_core.terminal_text import printable_line
from tau2_core.testing import problems

if TYPE_CHECKING:
    from tau2_core.testing.scripted_endpoint import ScriptedEndpoint
    from tau2_core.testing.worlds import OpenWorld

COLUMNS = ("test", "model", "rows", "runs", "score", "95 % interval", "pass^k", "record")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say where run folders go."""
    default = os.environ.get("EP_OUTPUT_DIR", "runs")
    parser.getgroup("tau2-gym").addoption(
        "--gym-out", metavar="DIR", default=default, help=f"where evaluations leave their run folders ({default})"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Show every problem once."""
    config.pluginmanager.register(problems)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(problems.OnceASession(config))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make an evaluation test's cases."""
    test = getattr(metafunc.function, "__evaluation__", None)
    if test is not None:
        test.parametrize(metafunc)


@pytest.fixture
def tau2_world() -> OpenWorld:
    """Open a world of a domain: `tau2_world("hotel", "refuse")` in a task's start state, without one as it begins."""
    from tau2_core.testing.worlds import open_world

    return open_world


@pytest.fixture
def tau2_endpoint() -> Iterator[Callable[..., ScriptedEndpoint]]:
    """Serve a script as a model for one test: `tau2_endpoint(script).url` is its address."""
    from tau2_core.testing.scripted_endpoint import ScriptedEndpoint

    with ExitStack() as stack:
        yield lambda script, **options: stack.enter_context(ScriptedEndpoint(script, **options))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Show a table of the evaluations."""
    found = [
        json.loads(value)
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, value in getattr(report, "user_properties", ())
        if name == "tau2_gym"
    ]
    rows = [_row(summary) for summaries in found for summary in summaries]
    if not rows:
        return
    terminalreporter.section("tau2-gym evaluations")
    widths = [max(len(row[column]) for row in [COLUMNS, *rows]) for column in range(len(COLUMNS))]
    for row in [COLUMNS, *rows]:
        cells = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        terminalreporter.write_line(printable_line("  ".join(cells)).rstrip())


def _row(summary: dict[str, Any]) -> tuple[str, ...]:
    interval, threshold = summary["interval"], summary["threshold"]
    passes = summary["pass_hat_k"].items()
    return (
        summary["suite"],
        summary["model"],
        str(summary["rows"]),
        str(summary["num_runs"]),
        f"{summary['agg_score']:.4f}" + ("" if threshold is None else f" of {threshold:g}"),
        f"{interval[0]:.4f} to {interval[1]:.4f}" if interval else "–",
        " ".join(f"{k}: {value:.4f}" for k, value in passes),
        summary["folder"],
    )
