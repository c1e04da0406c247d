"""`open_episode`: an episode that a program steps, awaited or not."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from anyio import to_thread

from tau2_core.api.participants import AgentLike, UserLike, agent_spec, user_spec
from tau2_core.episode.conversation import Limits
from tau2_core.episode.episode import Episode, Side
from tau2_core.episode.play import Cast
from tau2_core.episode.setting import Setting
from tau2_core.errors import EpisodeError, UsageError
from tau2_core.evaluators.grade import Grader
from tau2_core.llm.judge import judge
from tau2_core.llm.model import Line, Patience
from tau2_core.model.episodes import ArgumentMode, EpisodeRecord, Slot, Termination
from tau2_core.model.evaluation import Grade
from tau2_core.model.llm import ModelRole, ModelSettings
from tau2_core.model.messages import AssistantMessage, Message, ParticipantMessage
from tau2_core.model.tasks import Task, UserScenario
from tau2_core.model.tools import Tool, ToolResult
from tau2_core.runs.evaluation import choose_evaluators
from tau2_core.runs.models import dismiss, hire
from tau2_core.runs.prepare import open_catalogue, prepare, with_dataset_args

Result = TypeVar("Result")
ModelLike = str | ModelSettings | Mapping[str, Any]


def open_episode(
    domain: str,
    task: str | Task | None = None,
    *,
    agent: AgentLike = "external",
    user: UserLike | None = None,
    agent_model: ModelLike | None = None,
    user_model: ModelLike | None = None,
    judge_model: ModelLike | None = None,
    seed: int = 0,
    evaluators: str | None = None,
    dataset: str | Path | None = None,
    variant: str = "",
    solo: bool = False,
    user_first: bool = False,
    mode: ArgumentMode | None = None,
    max_steps: int = 200,
    max_errors: int = 10,
    packs: Sequence[str | Path] = (),
    blocked: Sequence[str] = (),
) -> OpenedEpisode:
    """Open one episode, to be entered with `async with` (an `Episode`) or `with` (a `SyncEpisode`).

    Args:
        domain: the domain's name.
        task: a task's id, or one that you made; without one the environment is in its base state, has no customer and
            nothing to reach.
        agent: who serves; by default your program, through `call`, `say` and `step`.
        user: who calls; by default the scripted customer, or a language model if `user_model` names one. `external`
            is your program, through `episode.customer`.
        agent_model: the model of an agent that needs one: its name as litellm has it, or its name with arguments.
        user_model: the customer's model.
        judge_model: the model that decides natural-language assertions when the episode is graded.
        seed: what randomness the environment and the participants have.
        evaluators: a set's name or a configuration file; by default what `tau2-gym run` would take.
        dataset: a folder with data for the domain, such as a checkout of tau2-bench. Models are then sent what its
            own runner sends, unless their arguments say otherwise.
        variant: other prompts over the same environment.
        solo: the agent works alone on a ticket.
        user_first: the agent's model does not see the opening line, for chat templates that want the user first.
        mode: what becomes of arguments that break a tool's schema: `strict` refuses them (the default), `tau2` is
            the official behaviour (the default with a dataset).
        max_steps: the episode is cut off after so many steps.
        max_errors: the episode is cut off after so many failed calls.
        packs: folders of packs that are not installed.
        blocked: plugins that are not imported.

    Raises:
        UsageError: a name, an option or a combination that does not exist.
        PackError: the pack is wrong.
    """
    catalogue = open_catalogue([Path(pack) for pack in packs], blocked)
    folder = Path(dataset) if dataset is not None else None
    setting = prepare(catalogue, domain, dataset=folder, variant=variant, solo=solo, mode=mode)
    chosen_task = _task(setting, task)
    models: dict[ModelRole, ModelLike | None] = {"agent": agent_model, "user": user_model, "judge": judge_model}
    settings = {role: _model(role, model) for role, model in models.items() if model is not None}
    if user is None:
        alone = solo or task is None
        user = "none" if alone else "llm" if "user" in settings else "scripted"
    cast = Cast(
        agent_spec(catalogue, agent),
        user_spec(catalogue, user),
        Limits(max_steps, max_errors),
        catalogue.tool_call_wrappers(),
        hire(with_dataset_args(catalogue, [folder] if folder else [], settings), patience=Patience()),
        user_first=user_first,
    )
    if task is not None:
        cast.check(setting)
    chosen = choose_evaluators(catalogue, evaluators, setting)
    grader = chosen.grader(setting)
    if task is not None:
        chosen.refuse_ungradable(grader, [chosen_task])
    return OpenedEpisode(setting, chosen_task, cast, seed, grader, begins=task is not None)


def _task(setting: Setting, task: str | Task | None) -> Task:
    if task is None:
        return Task(id="free", user_scenario=UserScenario(instructions=""))
    if isinstance(task, Task):
        return task
    (found,) = setting.select(ids=[task])
    return found


def _model(role: str, model: ModelLike) -> ModelSettings:
    if isinstance(model, ModelSettings):
        return model
    if isinstance(model, str):
        return ModelSettings(model=model)
    if not isinstance(model, Mapping) or not isinstance(model.get("model"), str):
        raise UsageError(f"{role}_model: give a model's name, or {{'model': NAME, 'args': {{…}}}}, not {model!r}")
    return ModelSettings.model_validate(model)


class OpenedEpisode:
    """An episode about to begin: `async with` gives an `Episode`, `with` a `SyncEpisode`."""

    def __init__(
        self, setting: Setting, task: Task, cast: Cast, seed: int, grader: Grader, *, begins: bool = True
    ) -> None:
        self._setting = setting
        self._task = task
        self._cast = cast
        self._seed = seed
        self._grader = grader
        self._begins = begins
        self._sync: SyncEpisode | None = None

    async def __aenter__(self) -> Episode:
        episode = Episode(
            self._setting, self._task, self._cast, slot=Slot(self._task.id, 0), seed=self._seed, grade=self._grade
        )
        if self._begins:
            await episode.begin()
        return episode

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await dismiss(self._cast.lines.values())

    def __enter__(self) -> SyncEpisode:
        _refuse_running_loop()
        runner = asyncio.Runner()
        try:
            self._sync = SyncEpisode(runner.run(self.__aenter__()), runner)
        except BaseException:
            runner.close()
            raise
        return self._sync

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._sync is not None
        self._sync.close(self.__aexit__(kind, error, trace))

    async def _grade(self, record: EpisodeRecord) -> Grade:
        said = None
        line: Line | None = self._cast.lines.get("judge")
        if line is not None and self._grader.needs_judge(record, self._task):
            criteria = self._task.evaluation_criteria
            model = line.model_for(str(record.slot))
            said = await judge(model, record.messages, (criteria and criteria.nl_assertions) or [])
            said.model, said.usage = line.settings.model, model.usage
        return await to_thread.run_sync(self._grader.grade, record, self._task, said)


def _refuse_running_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise UsageError("an event loop is running here: use `async with open_episode(…)` and await each step")


class SyncSide:
    """A `Side` whose steps are not awaited."""

    def __init__(self, episode: SyncEpisode, side: Side) -> None:
        self._episode = episode
        self._side = side

    @property
    def tools(self) -> Sequence[Tool]:
        """What this side may call."""
        return self._side.tools

    @property
    def messages(self) -> list[Message]:
        """What this side has seen."""
        return self._side.messages

    def call(self, name: str, /, **arguments: Any) -> ToolResult:
        """Make one tool call. Raises EpisodeError."""
        return self._episode.wait(self._side.call(name, **arguments))

    def say(self, text: str) -> str | None:
        """Say something to the other side and return its answer. Raises EpisodeError."""
        return self._episode.wait(self._side.say(text))

    def step(self, message: ParticipantMessage) -> list[Message]:
        """Send a message; return what this side has seen since. Raises EpisodeError."""
        return self._episode.wait(self._side.step(message))


class SyncEpisode:
    """An `Episode` whose steps are not awaited: each one returns when it is done. Not for a running event loop."""

    def __init__(self, episode: Episode, runner: asyncio.Runner) -> None:
        self._episode = episode
        self._runner: asyncio.Runner | None = runner
        self.agent = SyncSide(self, episode.agent)
        self.customer = SyncSide(self, episode.customer)

    @property
    def policy(self) -> str:
        """The policy that the agent must follow."""
        return self._episode.policy

    @property
    def tools(self) -> Sequence[Tool]:
        """What the agent may call."""
        return self._episode.tools

    @property
    def messages(self) -> list[Message]:
        """What the agent has seen so far."""
        return self._episode.messages

    @property
    def ended(self) -> Termination | None:
        """How the episode ended; None while it goes on."""
        return self._episode.ended

    def call(self, name: str, /, **arguments: Any) -> ToolResult:
        """Make one tool call as the agent. Raises EpisodeError."""
        return self.agent.call(name, **arguments)

    def say(self, text: str) -> str | None:
        """Say something to the customer and return the answer. Raises EpisodeError."""
        return self.agent.say(text)

    def step(self, message: AssistantMessage) -> list[Message]:
        """Send the agent's text or tool calls; return what the agent has seen since. Raises EpisodeError."""
        return self.agent.step(message)

    def grade(self) -> Grade:
        """Grade the episode as it stands."""
        return self.wait(self._episode.grade())

    def reward(self) -> float | None:
        """Grade the episode as it stands and return the reward."""
        return self.wait(self._episode.reward())

    def record(self) -> EpisodeRecord:
        """Return the record as it stands."""
        return self.wait(self._episode.record())

    def reset(self, seed: int | None = None) -> None:
        """Start again in the task's start state."""
        self.wait(self._episode.reset(seed))

    def wait(self, steps: Coroutine[Any, Any, Result]) -> Result:
        """Run steps to their end. Raises what they raise."""
        try:
            _refuse_running_loop()
            if self._runner is None:
                raise EpisodeError("the episode is closed: its `with` block has ended")
        except UsageError:
            steps.close()
            raise
        return self._runner.run(steps)

    def close(self, last: Coroutine[Any, Any, None]) -> None:
        """Run the last work of the episode, and close its event loop."""
        try:
            self.wait(last)
        finally:
            if self._runner is not None:
                self._runner.close()
            self._runner = None
