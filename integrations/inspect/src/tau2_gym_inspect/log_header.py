"""The header of a log: the run's configuration, and the figures of its samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import sqrt
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from inspect_ai.log import (
    EvalConfig,
    EvalDataset,
    EvalLog,
    EvalMetric,
    EvalPlan,
    EvalPlanStep,
    EvalResults,
    EvalSample,
    EvalScore,
    EvalSpec,
    EvalStats,
)
from inspect_ai.model import ModelConfig, ModelUsage
from tau2_core import Export, ExportedEpisode, ExportedRun

from tau2_gym_inspect.log_samples import AGENT, model_of
from tau2_gym_inspect.scorer import NAME


@dataclass
class Totals:
    """The sums over the samples of a log."""

    samples: int = 0
    rewards: list[float] = field(default_factory=list)
    by_model: dict[str, ModelUsage] = field(default_factory=dict)
    by_role: dict[str, ModelUsage] = field(default_factory=dict)

    def add(self, episode: ExportedEpisode, sample: EvalSample) -> None:
        """Count a sample."""
        self.samples += 1
        if episode.grade is not None and episode.grade.reward is not None:
            self.rewards.append(episode.grade.reward)
        _sum(self.by_model, sample.model_usage)
        _sum(self.by_role, sample.role_usage)


def header(export: Export, run: ExportedRun, totals: Totals) -> EvalLog:
    """Return the log without its samples. Its time is that of the export, since records have none."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    config = run.configuration
    name = str(uuid5(NAMESPACE_URL, f"{run.name}/{config['domain']}/{config['seed']}"))
    customer = model_of(run, "user")
    spec = EvalSpec(
        eval_id=name,
        run_id=name,
        task_id=name,
        created=now,
        task=f"tau2_gym/{config['domain']}",
        task_display_name=config["domain"],
        task_args={"split": config.get("split"), "user": config["user"]["name"], "evaluators": config["evaluators"]},
        dataset=EvalDataset(name=config["domain"], samples=len(config["tasks"]), sample_ids=list(config["tasks"])),
        model=model_of(run) or AGENT,
        model_roles={"user": ModelConfig(model=customer)} if customer else None,
        config=EvalConfig(epochs=config["trials"], epochs_reducer=["mean"]),
        packages=dict(config["versions"]),
        metadata={"run": run.name, "policy": export.policy, "configuration": _without_tasks(config)},
    )
    return EvalLog(
        status="success",
        eval=spec,
        plan=EvalPlan(steps=[EvalPlanStep(solver=f"tau2_gym/{config[AGENT]['name']}")]),
        results=_results(totals),
        stats=EvalStats(started_at=now, completed_at=now, model_usage=totals.by_model, role_usage=totals.by_role),
    )


def _results(totals: Totals) -> EvalResults:
    rewards = totals.rewards
    count = len(rewards)
    mean = sum(rewards) / count if count else 0.0
    variance = sum((reward - mean) ** 2 for reward in rewards) / (count - 1) if count > 1 else 0.0
    stderr = sqrt(variance / count) if count else 0.0
    metrics = {
        each.name: each for each in (EvalMetric(name="mean", value=mean), EvalMetric(name="stderr", value=stderr))
    }
    unscored = totals.samples - count
    score = EvalScore(name=NAME, scorer=NAME, scored_samples=count, unscored_samples=unscored, metrics=metrics)
    return EvalResults(total_samples=totals.samples, completed_samples=count, scores=[score] if count else [])


def _without_tasks(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name not in ("tasks", "seeds")}


def _sum(sums: dict[str, ModelUsage], more: Mapping[str, ModelUsage]) -> None:
    for name, usage in more.items():
        sums[name] = sums[name] + usage if name in sums else usage
