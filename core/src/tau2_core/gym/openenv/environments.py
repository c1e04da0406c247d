"""Domains as environments: `reset` begins an episode, and `step` plays it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import partial
from random import Random
from typing import Any

from tau2_core.episode.setting import Setting
from tau2_core.gym.data_plane import bounded_text, carry_out, offered_tools
from tau2_core.gym.errors import RefusedError, expired_episode
from tau2_core.gym.hosted_episode import Blueprint, HostedEpisode
from tau2_core.gym.openenv.messages import (
    CallError,
    CallObservation,
    CallTool,
    FirstObservation,
    ListTools,
    ResetOptions,
    State,
    Stepped,
    ToolsObservation,
)
from tau2_core.gym.registry import Registry
from tau2_core.gym.server_settings import ServerSettings
from tau2_core.llm.chat import as_chat
from tau2_core.model.tools import Failure, Tool

SEEDS = 2**31
OPENENV_KINDS = {Failure.UNKNOWN_TOOL: "tool_not_found", Failure.INVALID_ARGUMENTS: "invalid_args"}


class Environments:
    """Begins and steps the episodes of a server's domains. Its methods raise Tau2GymError to refuse a request."""

    def __init__(self, registry: Registry, settings: ServerSettings) -> None:
        self.registry = registry
        self.settings = settings

    def require(self, domain: str) -> str:
        """Return a domain that is served. Raises RefusedError (404)."""
        if domain not in self.settings.domains:
            raise RefusedError(404, "unknown_domain", f"this server has no domain {domain!r}")
        return domain

    def find(self, domain: str, episode_id: str) -> HostedEpisode:
        """Return an episode of a domain by its id. Raises RefusedError: 404, or 410 if it is gone."""
        episode = self.registry.get(episode_id)
        if episode.blueprint.setting.domain != domain:
            raise RefusedError(404, "unknown_episode", f"{domain} has no such episode")
        return episode

    async def begin(self, domain: str, options: ResetOptions) -> HostedEpisode:
        """Open an episode of the task that the options name, or of a randomly drawn one."""
        self.registry.admit(options.episode_id or "")
        return await self.registry.add(await self.registry.workers.run(partial(self._build, domain, options)))

    def _build(self, domain: str, options: ResetOptions) -> HostedEpisode:
        seed = secrets.randbelow(SEEDS) if options.seed is None else options.seed
        how: dict[str, Any] = options.model_dump(include={"variant", "variant_options", "solo", "dataset", "mode"})
        setting = self.settings.setting(domain, **how)
        wanted = () if options.task_id is None else (options.task_id,)
        tasks = setting.select(split=options.split, ids=wanted)
        if not tasks:
            raise RefusedError(422, "invalid_request", f"{domain} has no task to draw in this split")
        blueprint = self.settings.blueprint(
            domain, task_id=Random(seed).choice(tasks).id, seed=seed, user=options.user, conversation_tools=True, **how
        )
        self.registry.refuse_ungradable(blueprint)
        return self.registry.build(blueprint, options.episode_id)

    async def first(self, episode: HostedEpisode) -> Stepped:
        """Let the customer speak first, if there is one, and return the first observation."""
        plan = episode.blueprint
        messages = await self.registry.use(episode, episode.converse()) if plan.has_customer else []
        return await self._stepped(
            episode,
            FirstObservation(
                policy=plan.setting.policy_for(plan.task),
                messages=as_chat(messages, "assistant"),
                ticket=plan.task.ticket if plan.setting.solo else None,
                metadata=_about(episode, plan),
            ),
        )

    async def step(self, episode: HostedEpisode, action: ListTools | CallTool) -> Stepped:
        """Carry out an action. After the end of the episode, nothing happens and the final result is returned again."""
        if episode.closed:
            raise expired_episode()
        if isinstance(action, ListTools):
            return await self._stepped(episode, ToolsObservation(tools=[*map(_as_tool, self.tools(episode))]))
        if episode.ended:
            why = CallError(error_type="execution_error", message=f"the episode has ended ({episode.ended}); reset it")
            return await self._stepped(episode, CallObservation(tool_name=action.tool_name, result=None, error=why))
        result = await carry_out(self.registry, episode, "agent", action.tool_name, action.arguments)
        text = bounded_text(result.content, self.settings.max_result_chars)
        error: CallError | None = None
        metadata: dict[str, Any] = {}
        if result.failure is not None:
            metadata = {"failure": result.failure.value}
        elif result.refused:
            metadata = {"refused": True}
        if result.failure in OPENENV_KINDS:
            error = CallError(error_type=OPENENV_KINDS[result.failure], message=text)  # type: ignore[arg-type]
        observed = CallObservation(tool_name=action.tool_name, result=text, error=error, metadata=metadata)
        return await self._stepped(episode, observed)

    async def _stepped(
        self, episode: HostedEpisode, observation: FirstObservation | ToolsObservation | CallObservation
    ) -> Stepped:
        if episode.ended is None:
            return Stepped(observation=observation, metadata=observation.metadata)
        grade = await self.registry.grade(episode)
        reward = grade.reward_for("agent")
        observation.metadata |= {
            "termination": episode.ended.value,
            "outcome": grade.outcome.value,
            "unscored": reward is None,
            "criteria": {name: verdict.reward for name, verdict in grade.verdicts.items()},
        }
        return Stepped(observation=observation, reward=reward, done=True, metadata=observation.metadata)

    def tools(self, episode: HostedEpisode) -> Sequence[Tool]:
        """Return the tools that the agent of an episode may call."""
        return offered_tools(episode, "agent")

    def state(self, episode: HostedEpisode) -> State:
        """Return the state of an episode, without the parts that only a grader may see."""
        return State(
            episode_id=episode.id,
            step_count=episode.episode.conversation.steps,
            domain=episode.blueprint.setting.domain,
            task_id=episode.blueprint.task.id,
            done=episode.ended is not None,
        )

    async def setting(self, domain: str) -> Setting:
        """Return a domain's setting with default options."""
        return await self.registry.workers.run(partial(self.settings.setting, domain, dataset=None))


def _about(episode: HostedEpisode, plan: Blueprint) -> dict[str, Any]:
    return {"episode_id": episode.id, "domain": plan.setting.domain, "task_id": plan.task.id, "seed": plan.seed}


def _as_tool(tool: Tool) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description, "input_schema": dict(tool.parameters)}
