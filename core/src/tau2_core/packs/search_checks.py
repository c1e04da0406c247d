"""Checks of tools that search the knowledge base: do their retrievers and options exist?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tau2_core.model.registrations import RetrieverSpec
from tau2_core.model.tools import Tool
from tau2_core.name_suggestions import close_name, did_you_mean
from tau2_core.packs.manifest import Manifest
from tau2_core.packs.problems import Problems
from tau2_core.problem_kinds import ProblemKind


@dataclass(frozen=True)
class SearchChecks:
    """Checks the tools of a pack, whose manifest is `file`, against the available retrievers."""

    manifest: Manifest
    file: Path
    retrievers: Mapping[str, RetrieverSpec]
    problems: Problems

    def check(self, tools: Iterable[Tool], options: Mapping[str, Any]) -> None:
        """Note retrievers that do not exist, and options that neither they nor the variant have."""
        for tool in tools:
            if tool.search is None:
                continue
            if self.manifest.knowledge is None:
                what = f"{tool.name} has a retriever, but {self.file.name} names no documents"
                hint = "add `knowledge: {documents: data/documents/*}`"
                self.problems.at(tool.source, ProblemKind.RETRIEVER, what, hint=hint)
            spec = self.retrievers.get(tool.search.retriever)
            if spec is None:
                name = tool.search.retriever
                what = f"{tool.name}: there is no retriever {name!r}"
                hint = did_you_mean(name, self.retrievers)
                close = close_name(name, self.retrievers)
                self.problems.at(tool.source, ProblemKind.RETRIEVER, what, hint=hint, replace=(name, close))
                continue
            known = self._options(spec, tool.search.options)
            for name, value in tool.search.options.items():
                if name not in known:
                    what = f"{tool.name}: retriever {spec.name!r} has no option {name!r}"
                    hint = did_you_mean(name, known)
                    self.problems.at(tool.source, ProblemKind.RETRIEVER, what, hint=hint)
                if isinstance(value, str) and value.startswith("$") and value[1:] not in options:
                    what = f"{tool.name}: option {name}: the variant has no option {value[1:]!r}"
                    hint = did_you_mean(value[1:], options)
                    self.problems.at(tool.source, ProblemKind.RETRIEVER, what, hint=hint)

    def _options(self, spec: RetrieverSpec, given: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the options of a retriever, with those of the one that it is made from (`of`)."""
        inner = self.retrievers.get(str(given.get("of", ""))) if spec.composes else None
        return spec.options if inner is None else {**inner.options, **spec.options}
