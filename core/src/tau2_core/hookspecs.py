"""The hooks: what a plugin may add and what it may observe. Documentation and types only, no logic."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pluggy

from tau2_core.model.registrations import (
    AdapterSpec,
    AgentKind,
    AgentSpec,
    CommandSpec,
    DetectorSpec,
    Domain,
    EvaluatorSpec,
    ExecutorSpec,
    ExporterSpec,
    FaultSpec,
    ObserverSpec,
    PageSpec,
    RetrieverSpec,
    SandboxSpec,
    Toolset,
    UserSpec,
)

if TYPE_CHECKING:
    from tau2_core.model.episodes import EpisodeRecord, EpisodeStart
    from tau2_core.model.messages import ToolCall
    from tau2_core.model.runs import RunStart, RunSummary
    from tau2_core.model.tools import ToolResult

PROJECT = "tau2_core"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

Proceed = Callable[["ToolCall"], Awaitable["ToolResult"]]


@hookspec
def tau2_environments() -> list[Domain]:  # type: ignore[empty-body]
    """Add domains: each a manifest with tools, prompts and data.

    Blocking the entry point blocks them all. A name that two plugins use is refused when it is requested.
    """


@hookspec
def tau2_toolsets() -> list[Toolset]:  # type: ignore[empty-body]
    """Add tools to a domain of another package.

    They are listed after the domain's own tools. A name that the domain already has is refused.
    """


@hookspec
def tau2_user_simulators() -> list[UserSpec]:  # type: ignore[empty-body]
    """Add simulated customers, selected with `--user`."""


@hookspec
def tau2_agents() -> list[AgentSpec]:  # type: ignore[empty-body]
    """Add agents, selected with `--agent`."""


@hookspec
def tau2_agent_kinds() -> list[AgentKind]:  # type: ignore[empty-body]
    """Add kinds of agents that are selected with a target: `--agent NAME:TARGET`."""


@hookspec
def tau2_adapters() -> list[AdapterSpec]:  # type: ignore[empty-body]
    """Add readers of datasets for `--dataset`; the first that detects the folder opens it."""


@hookspec
def tau2_exporters() -> list[ExporterSpec]:  # type: ignore[empty-body]
    """Add formats in which `tau2-gym export --to` writes runs and tasks."""


@hookspec
def tau2_evaluators() -> list[EvaluatorSpec]:  # type: ignore[empty-body]
    """Add evaluators, each to a named set, selected with `--evaluators`."""


@hookspec
def tau2_executors() -> list[ExecutorSpec]:  # type: ignore[empty-body]
    """Add executors, selected with `--executor`: each starts the workers that play and grade the episodes of a run.

    Whatever starts them, workers reach their run over the network, and the run alone writes its folder.
    """


@hookspec
def tau2_retrievers() -> list[RetrieverSpec]:  # type: ignore[empty-body]
    """Add ways to search a knowledge base, named by tools with `retriever: NAME`.

    A retriever gets the documents of a pack or of a dataset. It must give the same answer to the same query.
    """


@hookspec
def tau2_user_detectors() -> list[DetectorSpec]:  # type: ignore[empty-body]
    """Add detectors of what a simulated customer does wrong, run on every record beside the evaluators.

    What they find is reported, and never changes a reward.
    """


@hookspec
def tau2_sandboxes() -> list[SandboxSpec]:  # type: ignore[empty-body]
    """Add places where the commands of an agent run, shut off from the machine, named by the option `sandbox`.

    Without one, tools with the retriever `shell` are refused.
    """


@hookspec
def tau2_faults() -> list[FaultSpec]:  # type: ignore[empty-body]
    """Add faults for tool calls, selected with `--fault NAME=RATE`.

    A fault that answers instead of the tool returns a result with `skipped=True`, so that grading does not replay it.
    """


@hookspec
def tau2_commands() -> list[CommandSpec]:  # type: ignore[empty-body]
    """Add commands to `tau2-gym`."""


@hookspec
def tau2_pages() -> list[PageSpec]:  # type: ignore[empty-body]
    """Add pages to the workbench (`tau2-gym view`), and panels next to its episodes."""


@hookspec
def tau2_observers() -> list[ObserverSpec]:  # type: ignore[empty-body]
    """Add observers of a run's episodes, which are told each reply, request to a model and tool call as it happens.

    They change nothing. One that has nothing to do says so when a run starts, and then costs nothing.
    """


@hookspec
async def tau2_tool_call(call: ToolCall, proceed: Proceed) -> ToolResult:  # type: ignore[empty-body]
    """Wrap every tool call of an episode, for faults, latency, redaction, budgets or tracing.

    Return `await proceed(call)` or another result. The plugin registered last is the outermost. Grading replays the
    recorded conversation, so a result changed here is the one that both sides saw. A wrapper that answers without
    `proceed` returns a result with `skipped=True`, so that the replay does not make the call either.
    """


@hookspec
def tau2_episode_started(start: EpisodeStart) -> None:
    """Called when an episode begins."""


@hookspec
def tau2_episode_finished(record: EpisodeRecord) -> None:
    """Called when an episode has ended; its record is already on disk."""


@hookspec
def tau2_run_started(start: RunStart) -> None:
    """Called when a run begins, with its plan and its folder."""


@hookspec
def tau2_run_finished(summary: RunSummary) -> None:
    """Called when a run has ended, with its figures."""
