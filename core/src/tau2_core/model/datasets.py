"""A dataset: data from elsewhere for a domain, used with our handlers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tau2_core.model.knowledge import Document, KnowledgeBase
from tau2_core.model.tasks import Task
from tau2_core.model.tools import Role, Tool


@dataclass(frozen=True, slots=True)
class ToolText:
    """A different description of a tool and of its parameters, from a dataset or a variant."""

    description: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    def applied_to(self, tool: Tool) -> Tool:
        """Return the tool with these texts replacing its own."""
        properties = {
            name: {**schema, "description": self.parameters[name]} if name in self.parameters else schema
            for name, schema in tool.parameters["properties"].items()
        }
        return replace(tool, description=self.description, parameters={**tool.parameters, "properties": properties})


@dataclass(frozen=True)
class Dataset:
    """What a dataset provides for one domain. The pack's own content is used for everything that it lacks.

    `policies` maps (variant or "", solo) to a policy text. `policy_parts` maps a variant whose policy contains
    documents to a function of the knowledge base and of the documents that a task requires. `documents` are the files
    of the knowledge base. `origins` names the source of each part, for run.json. `load_tasks` is called once, when
    tasks are first needed.

    `solo_instruction` is the agent's instruction in solo play. `solo_request` is the first user message to its model
    there; "" means that the model gets the system message only.
    """

    adapter: str
    domain: str
    root: Path
    databases: Mapping[Role, Path]
    load_tasks: Callable[[], Sequence[Task]]
    splits: Mapping[str, Sequence[str]]
    default_split: str | None
    policies: Mapping[tuple[str, bool], str] = field(default_factory=dict)
    policy_parts: Mapping[str, Callable[[KnowledgeBase, Sequence[Document]], str]] = field(default_factory=dict)
    documents: Sequence[Path] = ()
    tool_texts: Mapping[Role, Mapping[str, ToolText]] = field(default_factory=dict)
    agent_instruction: str | None = None
    solo_instruction: str | None = None
    solo_request: str | None = None
    opening: str | None = None
    user_guidelines: Mapping[bool, str] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[Path] = ()
