"""Errors in the set-up of evaluations, such as a wrong name: each fails its tests, and is shown once a session."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

ATTRIBUTE = "tau2_gym_setup_error"


def setup_error(message: str, notes: list[str]) -> BaseException:
    """Return what a test raises to fail. Tests that fail with one message show it once, and each its notes."""
    failure = pytest.fail.Exception("\n".join([message, *notes]), pytrace=False)
    setattr(failure, ATTRIBUTE, (message, notes))
    return failure


class Shown:
    """What a report shows; pytest's short summary repeats texts, and the first line of tracebacks, but not this."""

    def __init__(self, *lines: str) -> None:
        self.lines = lines

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def toterminal(self, writer: Any) -> None:
        """Print it, as pytest asks for."""
        for line in self.lines:
            writer.line(line)


class OnceASession:
    """Shows every error once: registered where reports are shown, so not in the workers of pytest-xdist."""

    def __init__(self, config: pytest.Config) -> None:
        self._only_summary = config.getoption("tbstyle") == "no"
        self._shown: dict[str, str] = {}

    @pytest.hookimpl(trylast=True)  # after what writes reports to files, where each test has the whole message
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
    """Let the report tell an error in the set-up; pytest-xdist carries it to where reports are shown."""
    report = yield
    found = getattr(call.excinfo and call.excinfo.value, ATTRIBUTE, None)
    if found is not None:
        setattr(report, ATTRIBUTE, found)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Show what is wrong with a decorator's arguments by its place, without a traceback."""
    report = yield
    excinfo = getattr(getattr(report, "call", None), "excinfo", None)
    errors = sys.modules.get("tau2_core.errors")  # not there if no test of ours was imported
    if excinfo is not None and errors is not None and isinstance(excinfo.value, errors.Tau2GymError):
        report.longrepr = f"{_place(excinfo)}: {excinfo.value}"
        setattr(report, ATTRIBUTE, (report.longrepr, []))
    return report


def _place(excinfo: pytest.ExceptionInfo[BaseException]) -> str:
    """Return the file and line of the test suite that the error came from."""
    ours = Path(__file__).parent
    own = [
        f"{path.name}:{entry.lineno + 1}"
        for entry in excinfo.traceback
        for path in [Path(entry.path)]
        if path.suffix == ".py" and "site-packages" not in path.parts and ours not in path.parents
    ]
    return own[-1] if own else "?"
