"""Grades of hand-written episodes by the set `strict`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tau2_core.episode.setting import Setting
from tau2_core.evaluators.grade import Grader
from tau2_core.model.episodes import EpisodeRecord
from tau2_core.model.evaluation import Grade
from tau2_core.model.tasks import Task
from tau2_core.plugins.discovery import discover

from tests.grading.configuration import TONE


@pytest.fixture
def strict(setting_of: Callable[..., Setting]) -> Callable[..., Grade]:
    """Grade messages by the set `strict`; `criteria` and `outcome` are the task's, the domain is `mock` by default."""

    def run(
        messages: list[dict[str, Any]],
        criteria: dict[str, Any],
        *,
        outcome: str | None = None,
        setting: Setting | None = None,
        state: dict[str, Any] | None = None,
        **record: Any,
    ) -> Grade:
        setting = setting or setting_of("mock")
        parts = {"outcome": outcome, "evaluation_criteria": criteria, "initial_state": state}
        task = Task.model_validate({"id": "t", "user_scenario": {"instructions": "x"}, **parts})
        fields: dict[str, Any] = {"domain": setting.domain, "task_id": "t", "trial": 0, "seed": 0, "mode": setting.mode}
        ended = {"termination": "user_stop", "solo": setting.solo, "messages": messages, **record}
        grader = Grader(setting, "strict", discover().evaluators("strict"))
        return grader.grade(EpisodeRecord(**fields, **ended), task)

    return run


@pytest.fixture
def made() -> Callable[..., list[dict[str, Any]]]:
    """Return the two messages of a call, with an id of its own, as a conversation records them."""
    count = iter(range(1000))

    def call(
        name: str, arguments: dict[str, Any] | None = None, answer: str = "x", side: str = "assistant", **fields: Any
    ) -> list[dict[str, Any]]:
        number = f"c{next(count)}"
        calls = [{"id": number, "name": name, "arguments": arguments or {}, "requestor": side}]
        error = answer.startswith("Error: ")
        result = {"role": "tool", "id": number, "content": answer, "requestor": side, "error": error}
        return [{"role": side, "tool_calls": calls, **fields}, result]

    return call


@pytest.fixture
def says() -> Callable[..., list[dict[str, Any]]]:
    def message(text: str, side: str = "assistant") -> list[dict[str, Any]]:
        return [{"role": side, "content": text}]

    return message


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write an `evaluation.yaml`, and `tone.py` beside it."""

    def make(text: str, name: str = "evaluation.yaml") -> Path:
        (tmp_path / "tone.py").write_text(TONE, encoding="utf-8")
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")
        return file

    return make
