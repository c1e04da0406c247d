"""Digests of all content that affects a run's results: core, pack, dataset, prompts, and the plugins involved."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

from tau2_core.episode.setting import Setting
from tau2_core.packs.customers import prompt_files
from tau2_core.packs.pack import ROLES, Pack
from tau2_core.packs.pack_files import matching_files
from tau2_core.packs.source_files import SourceFiles
from tau2_core.runs.code_files import CodeFiles, code_digest
from tau2_core.runs.plan import Plan


def text_digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def content_digests(setting: Setting, files: CodeFiles | None = None) -> dict[str, str | None]:
    """Return digests of a pack (of its `files`, if they are already known) and a dataset."""
    dataset = setting.dataset
    return {
        "pack": (files or pack_files(setting.pack)).digest(),
        "dataset": _dataset(dataset.files, dataset.root, setting.pack.sources) if dataset else None,
    }


def pack_files(pack: Pack) -> CodeFiles:
    """Return the files of a pack: its folder, files elsewhere that its manifest names, toolsets, and all imports.

    For a wrapped domain, whose data may be anywhere, the hashes of its databases are included.
    """
    found = CodeFiles(sources=pack.sources)
    found.add_folder(pack.folder, pack.package)
    for file in _named(pack):
        if not file.is_relative_to(pack.folder) or ".." in file.parts:
            found.add_file(file, f"{pack.package}/{Path(os.path.relpath(file, pack.folder)).as_posix()}")
    for role in ROLES:
        for callee in pack.callees(role).values():
            if not callee.source.file.is_relative_to(pack.folder):
                found.add_file(callee.source.file, f"toolsets/{callee.source.file.name}")
            found.add_module(callee.handler.__module__)
    if pack.wrapped is not None:
        found.add_module(pack.wrapped.module.__name__)
        for role, base in pack.wrapped.bases.items():
            found.texts[f"wrapped/{role}"] = base.official()
    return found


def _named(pack: Pack) -> Iterator[Path]:
    """Yield the files that a manifest names, wherever they are."""
    manifest = pack.manifest
    names = [*manifest.tools.of("agent"), *manifest.tools.of("user"), manifest.functions, manifest.tasks.splits]
    names += [entry.data for role in ROLES if (entry := manifest.database(role))]
    names += manifest.prompts.values()
    for variant in manifest.variants.values():
        names += [*variant.prompts.values(), variant.tool_texts, variant.task_texts, *variant.tool_files()]
    names += [manifest.evaluation.policy_checks, manifest.evaluation.evaluators, manifest.customers]
    for name in filter(None, names):
        if (pack.folder / name).is_file():
            yield pack.folder / name
    yield from prompt_files(pack.customers)
    documents = manifest.knowledge.documents if manifest.knowledge else None
    for pattern in filter(None, (manifest.tasks.files, manifest.tasks.families, documents)):
        yield from matching_files(pack.folder, pattern)


def plugin_digests(plan: Plan) -> dict[str, str | None]:
    """Return a digest of the plugins' code for each part of a run; None where the core's own code is used."""
    participants, dataset = plan.participants, plan.setting.dataset
    specs = plan.evaluator_set.specs.values() if plan.evaluator_set else ()
    return {
        "agent": code_digest([participants.agent.create]),
        "user": code_digest([participants.user.create, *(participants.customers.detectors or {}).values()]),
        "tool_call": code_digest(participants.wrappers),
        "faults": code_digest(participants.faults),
        "evaluators": code_digest(spec.evaluate for spec in specs),
        "adapter": code_digest([dataset.load_tasks]) if dataset else None,
    }


def versions(files: CodeFiles) -> dict[str, str]:
    """Return the versions of the core, and of the libraries that a pack's code imports."""
    libraries = dict(library.rsplit("-", 1) for library in sorted(files.libraries))
    return {"tau2-core": version("tau2-core"), **libraries}


def _dataset(files: Iterable[Path], root: Path, sources: SourceFiles) -> str:
    named = {(file.relative_to(root) if file.is_relative_to(root) else file).as_posix(): file for file in files}
    return CodeFiles(named, sources).digest()
