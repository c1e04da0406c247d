"""Policies that are assembled from templates, one for each variant of retrieval.

A template names components, `{{component:NAME}}`, which are inserted as they are, and may ask for the documents: all of
them (`{{full_knowledge_base}}`) or those that a task requires (`{{required_documents}}`). The text for
`{{all_tools_dense_instructions}}` is in the official code; the one here is our own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from tau2_core.adapters.tau2_bench.files import RESTORE, Files
from tau2_core.errors import DatasetError
from tau2_core.model.knowledge import Document, KnowledgeBase

# The template of each variant.
_TEMPLATES: Mapping[str, str] = {
    "no_knowledge": "no_knowledge",
    "full_kb": "full_kb",
    "golden_retrieval": "required_docs",
    "bm25": "classic_rag_bm25_no_grep",
    "bm25_grep": "classic_rag_bm25",
    "grep_only": "grep_only",
    "bm25_reranker": "classic_rag_bm25_no_grep",
    "bm25_reranker_grep": "classic_rag_bm25",
    "openai_embeddings": "classic_rag_openai_no_grep",
    "openai_embeddings_grep": "classic_rag_openai",
    "openai_embeddings_reranker": "classic_rag_openai_no_grep",
    "openai_embeddings_reranker_grep": "classic_rag_openai",
    "qwen_embeddings": "classic_rag_qwen_no_grep",
    "qwen_embeddings_grep": "classic_rag_qwen",
    "qwen_embeddings_reranker": "classic_rag_qwen_no_grep",
    "qwen_embeddings_reranker_grep": "classic_rag_qwen",
    "terminal_use": "agentic_search",
    "terminal_use_write": "agentic_search_write",
    "alltools": "all_tools",
    "alltools-qwen": "all_tools",
}
_DENSE = "{{all_tools_dense_instructions}}"
_BY_MEANING = "`KB_search_dense(query, k=10)` searches by meaning, with embeddings of {} ({})."
_EMBEDDINGS: Mapping[str, str] = {
    "alltools": _BY_MEANING.format("OpenAI API", "text-embedding-3-large"),
    "alltools-qwen": _BY_MEANING.format("OpenRouter", "qwen/qwen3-embedding-8b"),
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
            text = _assembled(file, folder / "components", files)
            found[variant] = partial(_filled, text.replace(_DENSE, _EMBEDDINGS.get(variant, "")))
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
