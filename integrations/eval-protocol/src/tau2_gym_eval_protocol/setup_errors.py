"""Errors in the set-up of evaluations, such as an unknown name: each fails its tests but is shown once per session."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

ATTRIBUTE = "tau2_gym_setup_error"


def setup_error(message: str, notes: list[str]) -> BaseException:
    """Return the exception with which a test fails. A shared message is shown once, the notes for every test."""
    failure = pytest.fail.Exception("\n".join([message, *notes]), pytrace=False)
    setattr(failure, ATTRIBUTE, (message, notes))
    return failure


class Shown:
    """The text of a report. Unlike strings and tracebacks, pytest does not repeat it in its short summary."""

    def __init__(self, *lines: str) -> None:
        self.lines = lines

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def toterminal(self, writer: Any) -> None:
        """Print it, as pytest requires."""
        for line in self.lines:
            writer.line(line)


class OncePerSession:
    """Shows every error once. It is registered where reports are shown, and not in the workers of pytest-xdist."""

    def __init__(self, config: pytest.Config) -> None:
        self._only_summary = config.getoption("tbstyle") == "no"
        self._shown: dict[str, str] = {}

    @pytest.hookimpl(trylast=True)  # after plugins that write reports to files, where each test has the whole message
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._show(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._show(report)

    def _show(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        found = getattr(report, ATTRIBUTE, None)
        if found is None or self._only_summary:
            return
        message, notes = found
        first = self._shown.setdefault(message, report.nodeid)
        shown = message if first == report.nodeid else f"the same error as in {first}"
        vars(report)["longrepr"] = Shown(shown, *notes)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Store an error in the report; pytest-xdist transfers it to where reports are shown."""
    report = yield
    found = getattr(call.excinfo and call.excinfo.value, ATTRIBUTE, None)
    if found is not None:
        setattr(report, ATTRIBUTE, found)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Show an error in a decorator's arguments with its place and without a traceback."""
    report = yield
    excinfo = getattr(getattr(report, "call", None), "excinfo", None)
    errors = sys.modules.get("tau2_core.errors")  # absent if none of our tests was imported
    if excinfo is not None and errors is not None and isinstance(excinfo.value, errors.Tau2GymError):
        report.longrepr = f"{_place(excinfo)}: {excinfo.value}"
        setattr(report, ATTRIBUTE, (report.longrepr, []))
    return report


def _place(excinfo: pytest.ExceptionInfo[BaseException]) -> str:
    """Return the file and line in the test suite that caused the error."""
    ours = Path(__file__).parent
    own = [
        f"{path.name}:{entry.lineno + 1}"
        for entry in excinfo.traceback
        for path in [Path(entry.path)]
        if path.suffix == ".py" and "site-packages" not in path.parts and ours not in path.parents
    ]
    return own[-1] if own else "?"
