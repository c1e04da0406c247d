"""Loading the parts of a run by names and folders: the catalogue, a pack, a dataset, a setting."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from tau2_core.episode.setting import Setting
from tau2_core.errors import DatasetError, PluginError, Tau2GymError, UsageError
from tau2_core.foreign_code import describe_error, foreign
from tau2_core.model.datasets import Dataset
from tau2_core.model.episodes import ArgumentMode
from tau2_core.model.lazy import loaded
from tau2_core.model.llm import JUDGES, ModelRole, ModelSettings
from tau2_core.model.registrations import AdapterSpec
from tau2_core.packs.folder_domain import FolderDomain, folder_domain
from tau2_core.packs.load import open_pack
from tau2_core.packs.pack import Pack
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.plugins.discovery import discover
from tau2_core.plugins.hook_functions import Wrapper

T = TypeVar("T")
TAU2 = "tau2"


def open_catalogue(packs: Sequence[Path | FolderDomain] = (), blocked: Iterable[str] = ()) -> Catalogue:
    """Find all plugins, and packs that are not installed: in folders, or `tau2:TARGET`. Raises UsageError."""
    found = [each if isinstance(each, FolderDomain) else pack_domain(each) for each in packs]
    catalogue = discover(blocked=blocked, packs=list(dict.fromkeys(found)))
    for domain in found:
        others = [plugin for plugin in catalogue.plugins if plugin.name == domain.name and plugin.status == "replaced"]
        if domain.wraps and others:
            what = f"the domain is named {domain.name!r}, as is the installed pack of {others[0].origin}"
            raise UsageError(f"--pack-tau2 {domain.wraps}: {what}; block that one: --no-plugin {domain.name}")
    return catalogue


def pack_domain(path: Path) -> FolderDomain:
    """Return the domain of a folder, or of `tau2:TARGET`: Python code for tau2-bench. Raises UsageError, PackError."""
    kind, colon, target = str(path).partition(":")
    if not colon or kind != TAU2:
        return folder_domain(path)
    from tau2_core.adapters.tau2_python.folders import wrapped_folder  # imported here, since it is rarely needed

    return replace(folder_domain(wrapped_folder(target)), wraps=target)


def open_faults(catalogue: Catalogue, texts: Sequence[str]) -> list[Callable[[str], Wrapper]]:
    """Return functions that create the wrappers of `NAME=RATE` faults from an episode's seed. Raises UsageError."""
    makers: list[Callable[[str], Wrapper]] = []
    for text in texts:
        name, _, number = text.partition("=")
        spec = catalogue.fault(name)
        try:
            rate = float(number)
        except ValueError as error:
            raise UsageError(f"--fault {text}: should read NAME=RATE, such as {name}=0.1") from error
        if not 0 <= rate <= 1:
            raise UsageError(f"--fault {text}: the rate should be between 0 and 1")
        makers.append(partial(loaded(spec.create), rate))
    return makers


def load_domain_pack(catalogue: Catalogue, name: str) -> Pack:
    """Load a domain's pack with the toolsets that other plugins add. Raises UsageError, PackError."""
    return open_pack(catalogue.domain(name), catalogue.toolsets(name), catalogue.search_parts())


def find_dataset(catalogue: Catalogue, folder: Path, domain: str) -> Dataset:
    """Open a dataset with the first adapter that knows its folder. Raises DatasetError, PluginError."""
    return _with_adapter(catalogue, folder, lambda adapter: loaded(adapter.open)(folder, domain))


def with_dataset_args(
    catalogue: Catalogue, folders: Sequence[Path], models: Mapping[ModelRole, ModelSettings]
) -> dict[ModelRole, ModelSettings]:
    """Return models with the arguments of the first dataset's runner as defaults. Raises DatasetError, PluginError."""
    if not folders or not models:
        return dict(models)
    args = _with_adapter(catalogue, folders[0], lambda adapter: adapter.model_args)
    return {
        role: settings.with_dataset_args(args.get("judge" if role in JUDGES else role, {}))
        for role, settings in models.items()
    }


def _with_adapter(catalogue: Catalogue, folder: Path, use: Callable[[AdapterSpec], T]) -> T:
    if not folder.is_dir():
        raise DatasetError(f"--dataset {folder}: no such folder")
    adapters = catalogue.adapters()
    failed: list[str] = []
    for adapter in adapters:
        try:
            with foreign():
                if loaded(adapter.detect)(folder):
                    return use(adapter)
        except Tau2GymError:
            raise
        except Exception as error:  # noqa: BLE001 - an adapter may raise anything; another may know the folder
            origin = catalogue.origin("adapter", adapter.name)
            failed.append(f"adapter {adapter.name!r} of {origin} failed: {describe_error(error)}")
    if failed:
        raise PluginError(f"--dataset {folder}: {'; '.join(failed)}; fix the plugin, or block it with --no-plugin")
    known = "; ".join(f"{adapter.name}: {adapter.summary}" for adapter in adapters)
    more = catalogue.unknown_because_broken()
    raise DatasetError(f"--dataset {folder}: contains no dataset that an adapter knows ({known}){more}")


def read_variant_options(texts: Sequence[str]) -> dict[str, Any]:
    """Return the options of `NAME=VALUE` texts; a value that is JSON, such as 5 or true, counts as that."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise UsageError(f"--variant-option {text}: should read NAME=VALUE, such as top_k=5")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def load_setting(
    catalogue: Catalogue,
    domain: str,
    *,
    dataset: Path | None = None,
    variant: str = "",
    variant_options: Mapping[str, Any] | None = None,
    solo: bool = False,
    mode: ArgumentMode | None = None,
) -> Setting:
    """Return a domain's setting. By default, the mode is `tau2` with a dataset or a wrapped domain, else `strict`.

    Raises UsageError, PackError or DatasetError.
    """
    pack = load_domain_pack(catalogue, domain)
    data = find_dataset(catalogue, dataset, domain) if dataset else None
    mode = mode or ("tau2" if data or pack.wrapped else "strict")
    return Setting(pack, data, variant=variant, variant_options=variant_options or {}, solo=solo, mode=mode)
