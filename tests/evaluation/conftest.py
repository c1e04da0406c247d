"""Verdicts and grades of hand-written episodes, on the mock domain by default."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tau2_core.episode.setting import Setting
from tau2_core.evaluators.grade import Grader
from tau2_core.model.episodes import EpisodeRecord
from tau2_core.model.evaluation import Grade, Judgement, Verdict
from tau2_core.model.registrations import EvaluatorSpec
from tau2_core.model.tasks import Task
from tau2_core.plugins.discovery import discover

SettingOf = Callable[..., Setting]


@pytest.fixture
def grade(setting_of: SettingOf) -> Callable[..., Grade]:
    """Grade an episode with the given messages by the set `tau2`; `criteria` are the task's (None: it has none)."""

    def run(
        messages: list[dict[str, Any]],
        criteria: dict[str, Any] | None,
        *,
        setting: Setting | None = None,
        state: dict[str, Any] | None = None,
        evaluators: dict[str, EvaluatorSpec] | None = None,
        judgement: Judgement | None = None,
        **record: Any,
    ) -> Grade:
        setting = setting or setting_of("mock", mode="tau2")
        parts = {"initial_state": state, "evaluation_criteria": criteria}
        task = Task.model_validate({"id": "t", "user_scenario": {"instructions": "x"}, **parts})
        fields: dict[str, Any] = {"domain": setting.domain, "task_id": "t", "trial": 0, "mode": setting.mode}
        ended = {"seed": 0, "termination": "user_stop", "solo": setting.solo, "messages": messages, **record}
        specs = discover().evaluators("tau2") if evaluators is None else evaluators
        return Grader(setting, "tau2", specs).grade(EpisodeRecord(**fields, **ended), task, judgement)

    return run


@pytest.fixture
def evaluate(grade: Callable[..., Grade]) -> Callable[..., Verdict]:
    """Return the verdict of one criterion: `evaluate("DB", messages, actions=[…])`."""

    def run(
        criterion: str,
        messages: list[dict[str, Any]],
        *,
        setting: Setting | None = None,
        state: dict[str, Any] | None = None,
        **criteria: Any,
    ) -> Verdict:
        basis = {**criteria, "reward_basis": [criterion]}
        return grade(messages, basis, setting=setting, state=state).verdicts[criterion]

    return run
