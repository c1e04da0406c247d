"""`load_domain`: a domain's tools, tasks, policy and data for inspection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from tau2_core.api.options import find_domain
from tau2_core.episode.setting import Setting
from tau2_core.errors import UsageError
from tau2_core.model.tasks import Task
from tau2_core.model.tools import Role, Tool
from tau2_core.runs.loading import load_setting, open_catalogue
from tau2_core.state.world import World

T = TypeVar("T")


def load_domain(
    domain: str | Path,
    *,
    dataset: str | Path | None = None,
    variant: str = "",
    variant_options: Mapping[str, Any] | None = None,
    solo: bool = False,
    packs: Sequence[str | Path] = (),
    blocked: Sequence[str] = (),
) -> LoadedDomain:
    """Load a domain, with its own data or a dataset's.

    Args:
        domain: a domain's name, or the folder of a pack.
        dataset: a folder with data for the domain, such as a checkout of tau2-bench, instead of the pack's own.
        variant: other prompts, tools or texts over the same environment.
        variant_options: values of options that the variant declares.
        solo: for an agent that works alone on a ticket.
        packs: folders of packs that are not installed, or `tau2:MODULE` for a domain in Python for tau2-bench.
        blocked: plugins that are not imported.

    Raises:
        UsageError: a name that does not exist.
        PackError, DatasetError: the data are invalid.
    """
    name, pack = find_domain(domain)
    folders = [Path(each) for each in _listed("packs", packs)] + ([pack] if pack else [])
    data = None if dataset is None else Path(dataset)
    return LoadedDomain(
        load_setting(
            open_catalogue(folders, _listed("blocked", blocked)),
            name,
            dataset=data,
            variant=variant,
            variant_options=variant_options,
            solo=solo,
        )
    )


def installed_domains(blocked: Sequence[str] = ()) -> list[str]:
    """Return the names of the domains whose packs are installed; no pack's data are read.

    `blocked` are plugins that are not imported. Raises UsageError for one that is not installed.
    """
    return list(dict.fromkeys(domain.name for domain in open_catalogue(blocked=_listed("blocked", blocked)).domains()))


def _listed(name: str, values: Sequence[T]) -> Sequence[T]:
    """Refuse a text where a list is expected, since it would be read character by character. Raises UsageError."""
    if isinstance(values, str):
        raise UsageError(f"{name}: give a list, such as [{values!r}]")
    return values


class LoadedDomain:
    """A domain as episodes use it. Its values are shared with all episodes and must not be changed."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting

    @property
    def name(self) -> str:
        """The domain's name."""
        return self._setting.domain

    @property
    def policy(self) -> str:
        """The policy that the agent must follow, as it reads it. Raises PackError."""
        return self._setting.policy_text

    @property
    def tools(self) -> Mapping[str, Tool]:
        """The agent's tools by name."""
        return self._setting.tools("agent")

    @property
    def user_tools(self) -> Mapping[str, Tool]:
        """The customer's own tools by name."""
        return self._setting.tools("user")

    @property
    def tasks(self) -> Mapping[str, Task]:
        """All tasks by id, in the order of their files. Raises PackError, DatasetError."""
        return self._setting.tasks()

    @property
    def splits(self) -> Mapping[str, Sequence[str]]:
        """The ids of each split's tasks."""
        return self._setting.splits()

    def select(self, *, split: str | None = None, ids: Sequence[str] = (), limit: int | None = None) -> list[Task]:
        """Return tasks of a split (default: `base`) or by id. Raises UsageError for unknown ones."""
        if limit is not None and limit < 1:
            raise UsageError(f"limit: give a number of tasks from 1, not {limit}")
        return self._setting.select(split=split, ids=_listed("ids", ids), limit=limit)

    def database(self, role: Role = "agent") -> dict[str, Any]:
        """Return a copy of a side's database in its base state, as JSON values; {} if there is none.

        Raises PackError if it cannot be read, UsageError for another role.
        """
        if role not in get_args(Role):
            raise UsageError(f"role: give 'agent' or 'user', not {role!r}")
        base = self._setting.bases().get(role)
        return {} if base is None else World(base).plain()

    def __repr__(self) -> str:
        return f"<LoadedDomain {self.name}: {len(self.tools)} tools>"
