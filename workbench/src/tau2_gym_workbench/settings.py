"""The settings that runs were played in: loaded once, cached, and compared with the run's configuration."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from threading import Lock
from typing import Any

from tau2_core.episode.setting import Setting
from tau2_core.errors import Tau2GymError
from tau2_core.hookspecs import PROJECT
from tau2_core.model.episodes import ArgumentMode
from tau2_core.packs.folder_domain import folder_domain
from tau2_core.packs.locations import find_pack_folder, package_name
from tau2_core.packs.pack import Pack
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.records.reader import RunFolder
from tau2_core.runs.digests import content_digests
from tau2_core.runs.grading_work import setting_of
from tau2_core.runs.loading import find_dataset, load_domain_pack, open_catalogue


@dataclass(frozen=True)
class FoundSetting:
    """A run's setting; `missing` says why there is none. `changed` names what has changed since the run was played."""

    setting: Setting | None
    missing: str = ""
    changed: Sequence[str] = ()


class Settings:
    """The installed plugins, and the settings of runs."""

    def __init__(self, packs: Sequence[Path] = (), dataset: Path | None = None, blocked: Sequence[str] = ()) -> None:
        self.packs = packs
        self.dataset = dataset
        self._blocked = blocked
        self._catalogue: Catalogue | None = None
        self._found: dict[str, FoundSetting] = {}
        self._packs: dict[str, Pack] = {}
        self._domains: dict[tuple[str, str, bool], Setting] = {}
        self._lock = Lock()

    @property
    def catalogue(self) -> Catalogue:
        """All plugins, loaded on first use. Raises UsageError, PackError."""
        if self._catalogue is None:
            for pack in self.packs:
                unload_replaced(pack)
            self._catalogue = open_catalogue(self.packs, self._blocked)
        return self._catalogue

    def forget(self) -> None:
        """Reload packs on the next use, because their files have changed."""
        with self._lock:
            self._found.clear()
            self._packs.clear()
            self._domains.clear()
            self._catalogue = None

    def domain(self, name: str, *, variant: str = "", solo: bool = False) -> Setting:
        """Return a domain as installed, with the given dataset; loaded once. Raises what `prepare` raises."""
        key = (name, variant, solo)
        with self._lock:
            if key not in self._domains:
                if name not in self._packs:
                    self._packs[name] = load_domain_pack(self.catalogue, name)
                data = find_dataset(self.catalogue, self.dataset, name) if self.dataset else None
                mode: ArgumentMode = "tau2" if data else "strict"
                self._domains[key] = Setting(self._packs[name], data, variant=variant, solo=solo, mode=mode)
            return self._domains[key]

    def of(self, folder: Path, config: dict[str, Any]) -> FoundSetting:
        """Return the setting of a run. Runs of the same domain, dataset, variant and mode share one."""
        names = ("domain", "variant", "variant_options", "solo", "mode", "dataset", "digests")
        told = {name: config.get(name) for name in names}
        key = repr(told)
        with self._lock:
            if key not in self._found:
                self._found[key] = self._find(folder, config)
            return self._found[key]

    def _find(self, folder: Path, config: dict[str, Any]) -> FoundSetting:
        run = RunFolder(folder, config)
        try:
            setting = setting_of(run.config, self.catalogue, self.dataset if config.get("dataset") else None)
            setting.bases()
            digests = content_digests(setting)
        except Tau2GymError as error:
            return FoundSetting(None, str(error))
        told = config["digests"]
        return FoundSetting(setting, "", [name for name, digest in digests.items() if told.get(name) != digest])


def unload_replaced(pack: Path) -> None:
    """Unload the installed pack that a folder replaces, if both have the same modules.

    It is already loaded, because finding the commands of plugins imports them all. Raises UsageError, PackError.
    """
    folder = find_pack_folder(pack)
    name, domain = package_name(folder), folder_domain(folder).name
    present = sys.modules.get(name)
    if present is None or folder.resolve() in (Path(place).resolve() for place in getattr(present, "__path__", [])):
        return
    if any(point.name == domain and point.module.startswith(f"{name}.") for point in entry_points(group=PROJECT)):
        for module in [each for each in sys.modules if each == name or each.startswith(f"{name}.")]:
            del sys.modules[module]
