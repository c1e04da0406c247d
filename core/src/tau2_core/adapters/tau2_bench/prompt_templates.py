"""Policies that are assembled from templates, one for each variant of retrieval.

A template names components, `{{component:NAME}}`, which are inserted as they are, and may ask for the documents: all of
them (`{{full_knowledge_base}}`) or those that a task requires (`{{required_documents}}`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from tau2_core.adapters.tau2_bench.files import RESTORE, Files
from tau2_core.errors import DatasetError
from tau2_core.model.knowledge import Document, KnowledgeBase

# The template of each variant that needs no external service.
_TEMPLATES: Mapping[str, str] = {
    "no_knowledge": "no_knowledge",
    "full_kb": "full_kb",
    "golden_retrieval": "required_docs",
    "bm25": "classic_rag_bm25_no_grep",
    "bm25_grep": "classic_rag_bm25",
    "grep_only": "grep_only",
}
_COMPONENT = re.compile(r"\{\{component:([^}]*)\}\}")
_ALL, _REQUIRED = "{{full_knowledge_base}}", "{{required_documents}}"
_NONE = "[The documents that the task requires stand here.]"

PolicyPart = Callable[[KnowledgeBase, Sequence[Document]], str]


def read_policy_parts(folder: Path, files: Files) -> dict[str, PolicyPart]:
    """Return the policies by variant, each a function of the documents. Raises DatasetError."""
    found: dict[str, PolicyPart] = {}
    for variant, name in _TEMPLATES.items():
        file = folder / f"{name}.md"
        if file.is_file():
            found[variant] = partial(_filled, _assembled(file, folder / "components", files))
    return found


def _assembled(file: Path, components: Path, files: Files) -> str:
    def component(match: re.Match[str]) -> str:
        part = components / f"{match[1]}.md"
        if not part.is_file():
            raise DatasetError(f"{file}: there is no component {match[1]!r}: {part} does not exist; {RESTORE}")
        return files.read(part)

    text = _COMPONENT.sub(component, files.read(file))
    if not text.strip():
        raise DatasetError(f"{file}: the policy is empty; {RESTORE}")
    return text


def _filled(text: str, knowledge: KnowledgeBase, required: Sequence[Document]) -> str:
    if _ALL in text:
        text = text.replace(_ALL, _shown(knowledge.documents))
    if _REQUIRED in text:
        text = text.replace(_REQUIRED, _shown(required) if required else _NONE)
    return text


def _shown(documents: Iterable[Document]) -> str:
    return "\n\n---\n\n".join(f"## {each.title}\n\n{each.content}" for each in documents)
