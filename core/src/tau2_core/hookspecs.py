"""The hooks: what a plugin may add, and what it may watch. Words and types, no logic."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pluggy

from tau2_core.model.messages import ToolCall
from tau2_core.model.registrations import AdapterSpec, AgentSpec, Domain, EvaluatorSpec, FaultSpec, Toolset, UserSpec
from tau2_core.model.tools import ToolResult

if TYPE_CHECKING:
    from tau2_core.model.episodes import EpisodeRecord, EpisodeStart
    from tau2_core.model.runs import RunStart, RunSummary

PROJECT = "tau2_core"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

Proceed = Callable[[ToolCall], Awaitable[ToolResult]]


@hookspec
def tau2_environments() -> list[Domain]:  # type: ignore[empty-body]
    """Add domains: each a manifest with tools, prompts and data.

    The entry point's name blocks them all. A name that two plugins use is refused when it is asked for.
    """


@hookspec
def tau2_toolsets() -> list[Toolset]:  # type: ignore[empty-body]
    """Add tools to a domain of another package.

    They are listed after the domain's own. A tool name that the domain has is refused.
    """


@hookspec
def tau2_user_simulators() -> list[UserSpec]:  # type: ignore[empty-body]
    """Add simulated customers, to be chosen with `--user`."""


@hookspec
def tau2_agents() -> list[AgentSpec]:  # type: ignore[empty-body]
    """Add agents, to be chosen with `--agent`."""


@hookspec
def tau2_adapters() -> list[AdapterSpec]:  # type: ignore[empty-body]
    """Add readers of datasets for `--dataset`; the first that detects the folder opens it."""


@hookspec
def tau2_evaluators() -> list[EvaluatorSpec]:  # type: ignore[empty-body]
    """Add evaluators, each to a named set, to be chosen with `--evaluators`."""


@hookspec
def tau2_faults() -> list[FaultSpec]:  # type: ignore[empty-body]
    """Add faults for tool calls, to be chosen with `--fault NAME=RATE`.

    A fault that answers in the world's place returns a result with `skipped=True`, so that grading does not replay it.
    """


@hookspec
async def tau2_tool_call(call: ToolCall, proceed: Proceed) -> ToolResult:  # type: ignore[empty-body]
    """Wrap every tool call of an episode, for faults, latency, redaction, budgets or tracing.

    Return `await proceed(call)`, or something else instead. The plugin registered last is the outermost. Grading
    replays what the conversation recorded, so a result changed here is what both sides saw. A wrapper that answers
    without `proceed` returns a result with `skipped=True`: then the replay does not make the call either.
    """


@hookspec
def tau2_episode_started(start: EpisodeStart) -> None:
    """Be told that an episode begins."""


@hookspec
def tau2_episode_finished(record: EpisodeRecord) -> None:
    """Be told that an episode ended; its record is already on disk."""


@hookspec
def tau2_run_started(start: RunStart) -> None:
    """Be told that a run begins: its plan and its folder."""


@hookspec
def tau2_run_finished(summary: RunSummary) -> None:
    """Be told that a run ended, with its figures."""
