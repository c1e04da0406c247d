"""The episodes that the samples of one task are playing, by the id of the sample in progress."""

from __future__ import annotations

from dataclasses import dataclass, field

from inspect_ai.model import ChatMessage, ChatMessageSystem, ChatMessageUser
from inspect_ai.solver import TaskState
from tau2_core import Episode, EpisodeFactory, Grade
from tau2_core.agents.llm import system_prompt
from tau2_core.episode.participants import agent_context
from tau2_core.model.episodes import EpisodeRecord, Termination
from tau2_core.runs.plan import trial_seeds

from tau2_gym_inspect.messages import inspect_messages
from tau2_gym_inspect.user_model import CustomerModel


class UnscoredError(RuntimeError):
    """An episode has no reward, since something other than the agent failed."""


@dataclass
class SampleEpisodes:
    """The episodes of one task. A sample's trial is its epoch, counted from 0, with the seed that it has in a run."""

    factory: EpisodeFactory
    seed: int
    episodes: dict[str, Episode] = field(default_factory=dict)

    async def open(self, state: TaskState) -> list[ChatMessage]:
        """Begin a sample's episode; return the system message and the messages so far."""
        trial = state.epoch - 1
        seed = trial_seeds(self.seed, state.epoch)[trial]
        episode = self.factory.episode(str(state.sample_id), seed=seed, trial=trial)
        self.episodes[state.uuid] = episode
        await episode.begin()
        context = agent_context(episode.setting, episode.task, episode.participants, seed, None, episode.backend)
        first: list[ChatMessage] = [ChatMessageSystem(content=system_prompt(context))]
        seen = inspect_messages(episode.messages)
        return [*first, *(seen or [ChatMessageUser(content=context.request)])]

    def of(self, state: TaskState) -> Episode:
        """Return a sample's episode."""
        return self.episodes[state.uuid]

    def raise_limit(self, state: TaskState) -> None:
        """Raise the task limit that stopped the customer's model, if one did."""
        model = getattr(self.of(state).conversation.user, "model", None)
        if isinstance(model, CustomerModel) and model.exceeded is not None:
            raise model.exceeded

    async def grade(self, state: TaskState) -> tuple[EpisodeRecord, Grade]:
        """Return a sample's record and grade. An episode that a limit of Inspect cut off counts as ended by max_steps.

        Raises UnscoredError if there is no reward.
        """
        episode = self.of(state)
        record = await episode.record()
        if episode.ended is None:
            record.termination = Termination.MAX_STEPS
            record.error = "the sample ended before the conversation did, by a limit of Inspect or by its solver"
        grade = await self.factory.grade(record, episode.task)
        if grade.reward is None:
            raise UnscoredError(f"no reward, because the outcome is {grade.outcome.value}: {grade.note}")
        return record, grade

    async def close(self, state: TaskState) -> None:
        """Forget a sample's episode."""
        episode = self.episodes.pop(state.uuid, None)
        if episode is not None:
            episode.close()
