"""Episodes as samples of a log."""

from __future__ import annotations

from collections.abc import Mapping

from inspect_ai.log import EvalError, EvalSample, EvalSampleLimit
from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ModelOutput, ModelUsage
from tau2_core import EpisodeRecord, Export, ExportedEpisode, ExportedRun
from tau2_core.model.episodes import Termination, Usage

from tau2_gym_inspect.messages import inspect_messages
from tau2_gym_inspect.scorer import NAME, as_score

AGENT = "agent"


def model_of(run: ExportedRun, role: str = AGENT) -> str | None:
    """Return the model of a role; for an agent without one, the agent's name, since a log must name a model."""
    settings = (run.configuration.get("models") or {}).get(role)
    if settings:
        return str(settings["model"])
    return str(run.configuration[AGENT]["name"]) if role == AGENT else None


def as_usage(usage: Usage) -> ModelUsage:
    """Return what a role's model used."""
    total = usage.prompt_tokens + usage.completion_tokens
    return ModelUsage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        total_tokens=total,
        total_cost=usage.cost,
    )


class Samples:
    """Makes the samples of one run."""

    def __init__(self, export: Export, run: ExportedRun) -> None:
        self._export = export
        self._model = model_of(run) or AGENT
        self._models = {role: model_of(run, role) for role in (AGENT, "user", "judge")}
        self._limits = run.configuration["limits"]

    def of(self, episode: ExportedEpisode) -> EvalSample:
        """Return an episode as a sample. One without a reward has an error and no score."""
        record, grade = episode.record, episode.grade
        task = self._export.tasks[record.task_id]
        messages = inspect_messages(record.messages, model=self._model)
        answers = [message for message in messages if isinstance(message, ChatMessageAssistant)]
        about = {"domain": record.domain, "trial": record.trial, "seed": record.seed, "tags": task.tags}
        scores = None
        if grade is not None and grade.reward is not None:
            scores = {NAME: as_score(grade, termination=record.termination.value)}
        return EvalSample(
            id=record.task_id,
            epoch=record.trial + 1,
            input=f"{record.domain}: task {record.task_id}",
            target="",
            messages=[ChatMessageSystem(content=self._export.policy), *messages],
            output=ModelOutput.from_message(answers[-1]) if answers else ModelOutput(model=self._model),
            scores=scores,
            metadata={**about, "termination": record.termination.value},
            model_usage=_by_model(record, self._models),
            role_usage={role: as_usage(usage) for role, usage in record.usage.items()},
            total_time=episode.seconds or None,
            working_time=episode.seconds or None,
            error=None if scores else _error(episode),
            limit=self._limit(record),
        )

    def _limit(self, record: EpisodeRecord) -> EvalSampleLimit | None:
        if record.termination is Termination.TIMEOUT:
            return EvalSampleLimit(type="time", limit=self._limits.get("timeout_seconds") or 0)
        if record.termination is Termination.MAX_STEPS:
            return EvalSampleLimit(type="message", limit=self._limits["max_steps"])
        return None


def _by_model(record: EpisodeRecord, models: Mapping[str, str | None]) -> dict[str, ModelUsage]:
    found: dict[str, ModelUsage] = {}
    for role, usage in record.usage.items():
        name = models.get(role) or role
        found[name] = found[name] + as_usage(usage) if name in found else as_usage(usage)
    return found


def _error(episode: ExportedEpisode) -> EvalError:
    grade = episode.grade
    why = episode.record.error or (grade.note if grade is not None else "") or "it was not graded"
    outcome = grade.outcome.value if grade is not None else episode.record.termination.value
    text = f"{outcome}: {why}"
    return EvalError(message=text, traceback=text, traceback_ansi=text)
