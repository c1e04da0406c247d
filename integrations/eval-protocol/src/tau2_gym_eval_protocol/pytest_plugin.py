"""The pytest plugin (entry point `tau2_gym_eval_protocol`): evaluation tests and a summary. Imports nothing heavy."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from tau2_core.terminal_text import printable_line

from tau2_gym_eval_protocol import setup_errors

COLUMNS = ("test", "model", "rows", "runs", "score", "95 % interval", "pass^k", "record")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for the directory of run folders."""
    default = os.environ.get("EP_OUTPUT_DIR", "runs")
    parser.getgroup("tau2-gym").addoption(
        "--gym-out", metavar="DIR", default=default, help=f"where evaluations write their run folders ({default})"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin that shows every set-up error once."""
    config.pluginmanager.register(setup_errors)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(setup_errors.OncePerSession(config))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize evaluation tests."""
    test = getattr(metafunc.function, "__evaluation__", None)
    if test is not None:
        test.parametrize(metafunc)


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
