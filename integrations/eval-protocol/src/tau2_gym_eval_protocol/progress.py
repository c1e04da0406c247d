"""The progress of an evaluation, on one line of a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from tau2_gym_eval_protocol.rows import EvaluationRow

if TYPE_CHECKING:
    import pytest


class ExperimentProgress:
    """Called with every row whose rollout has ended. Shows nothing if pytest's output is not a terminal."""

    def __init__(self, config: pytest.Config, name: str, total: int) -> None:
        reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
        self.reporter = reporter if reporter is not None and reporter.isatty else None
        self.capture: Any = config.pluginmanager.get_plugin("capturemanager")
        self.name = name
        self.total = total
        self.done = 0
        self.failed = 0

    def __call__(self, row: EvaluationRow) -> None:
        self.done += 1
        self.failed += row.rollout_status.is_error
        errors = f", {self.failed} with errors" if self.failed else ""
        self._write(f"{self.name}: {self.done} of {self.total} rollouts{errors}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self.done and self.reporter is not None:
            self.reporter.currentfspath = None  # so that pytest prints the file's name again on the next line

    def _write(self, text: str) -> None:
        if self.reporter is None:
            return
        with self.capture.global_and_fixture_disabled():
            self.reporter.rewrite(text, erase=True)
            self.reporter.flush()
