"""The hooks that return records: the kind and the type of each one's records."""

from __future__ import annotations

from collections.abc import Mapping

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

RECORD_HOOKS: Mapping[str, str] = {
    "tau2_environments": "domain",
    "tau2_toolsets": "toolset",
    "tau2_user_simulators": "user",
    "tau2_agents": "agent",
    "tau2_agent_kinds": "agent-kind",
    "tau2_adapters": "adapter",
    "tau2_exporters": "exporter",
    "tau2_evaluators": "evaluator",
    "tau2_user_detectors": "detector",
    "tau2_executors": "executor",
    "tau2_retrievers": "retriever",
    "tau2_sandboxes": "sandbox",
    "tau2_faults": "fault",
    "tau2_commands": "command",
    "tau2_pages": "page",
    "tau2_observers": "observer",
}
RECORD_TYPES: Mapping[str, type] = {
    "domain": Domain,
    "toolset": Toolset,
    "user": UserSpec,
    "agent": AgentSpec,
    "agent-kind": AgentKind,
    "adapter": AdapterSpec,
    "exporter": ExporterSpec,
    "evaluator": EvaluatorSpec,
    "detector": DetectorSpec,
    "executor": ExecutorSpec,
    "retriever": RetrieverSpec,
    "sandbox": SandboxSpec,
    "fault": FaultSpec,
    "command": CommandSpec,
    "page": PageSpec,
    "observer": ObserverSpec,
}
