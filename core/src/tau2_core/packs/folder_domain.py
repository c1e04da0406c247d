"""Domains in folders given with `--pack`: the manifest is read for the name, and kept for loading the pack."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tau2_core.errors import PackError, Problem
from tau2_core.model.registrations import Domain
from tau2_core.packs.locations import MANIFEST, find_pack_folder
from tau2_core.packs.source_error import SourceError
from tau2_core.packs.source_files import SourceFiles
from tau2_core.packs.yaml_source import Document, read_yaml
from tau2_core.problem_kinds import ProblemKind


@dataclass(frozen=True, slots=True)
class FolderDomain(Domain):
    """A domain in a folder, with the manifest that was read and the digest of its file.

    `wraps` is the target of a domain that was given in place of a folder.
    """

    document: Document | None = field(default=None, compare=False, repr=False)
    digest: str = field(default="", compare=False, repr=False)
    wraps: str = field(default="", compare=False)


def folder_domain(path: Path) -> FolderDomain:
    """Return the domain of a pack's folder, with the name in its manifest. Raises UsageError, PackError."""
    folder = find_pack_folder(path)
    manifest = folder / MANIFEST
    sources = SourceFiles()
    try:
        document = read_yaml(manifest, sources.read)
    except SourceError as error:
        raise PackError(
            [Problem(folder.name, ProblemKind.SYNTAX, manifest, str(error), error.line, "correct the YAML")]
        ) from error
    name = document.value.get("name") if isinstance(document.value, dict) else None
    if not isinstance(name, str):
        raise PackError(
            [
                Problem(
                    folder.name, ProblemKind.DOMAIN_NAME, manifest, "the domain's `name` is missing", 1, "give it one"
                )
            ]
        )
    return FolderDomain(name=name, folder=folder, document=document, digest=sources.digest(manifest))
