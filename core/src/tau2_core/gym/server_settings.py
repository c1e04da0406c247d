"""The settings of a server: the domains that it serves, and its limits."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import uuid4

from starlette.requests import Request

from tau2_core.episode.customer_settings import CustomerSettings, choose_customers
from tau2_core.episode.limits import Limits
from tau2_core.episode.participants import EXTERNAL_AGENT, Participants
from tau2_core.episode.setting import Setting
from tau2_core.errors import DatasetError, Tau2GymError, UsageError
from tau2_core.gym.connections import ConnectionLimits
from tau2_core.gym.conversation_tools import refuse_clash
from tau2_core.gym.hosted_episode import Blueprint, free_task
from tau2_core.llm.model import RoleModel
from tau2_core.model.episodes import ArgumentMode
from tau2_core.model.judges import JudgeRule
from tau2_core.model.llm import ModelRole
from tau2_core.model.registrations import AgentSpec, UserSpec
from tau2_core.model.tasks import Task
from tau2_core.name_suggestions import did_you_mean
from tau2_core.packs.pack import Pack
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.plugins.hook_functions import Wrapper
from tau2_core.redaction import Redactor
from tau2_core.runs.loading import load_domain_pack, load_setting
from tau2_core.runs.model_clients import ModelPool

OWN_DATA = "pack"
MOST_SETTINGS = 200
SettingKey = tuple[str, str, str, str, bool, ArgumentMode | None]


def named_datasets(folders: Sequence[Path]) -> dict[str, Path]:
    """Return datasets by the names of their folders, which clients use. Raises UsageError."""
    datasets: dict[str, Path] = {}
    for folder in map(Path.resolve, folders):
        if not folder.is_dir():
            raise DatasetError(f"--dataset {folder}: no such folder")
        if folder.name in (OWN_DATA, *datasets):
            raise UsageError(
                f"--dataset {folder}: there is already a dataset {folder.name!r}; rename or link the folder"
            )
        datasets[folder.name] = folder
    return datasets


@dataclass(eq=False)
class ServerSettings:
    """The server's resolved configuration. `datasets` maps the names for clients to folders.

    Web pages of `origins` may use the server. The URLs that it hands out begin with `public_url`. `owns_process`: the
    process does nothing but serve. `new_session_id` returns an id for a session of a dialect. `role_models` are those
    of the customer and the judge; `pool` opens those that tools ask once a setting needs them.

    The whole control plane requires `token`. On loopback without one, `overview_token` is required for everything about
    episodes that are not the client's own: lists, metrics, tasks and slots. An episode's id is random and not part of
    its agent's URLs, so an agent can neither find nor control its episode.
    """

    catalogue: Catalogue
    domains: Sequence[str]
    datasets: Mapping[str, Path] = field(default_factory=dict)
    host: str = "127.0.0.1"
    port: int = 8700
    token: str | None = None
    limits: Limits = field(default_factory=Limits)
    max_body_bytes: int = 1024 * 1024
    max_result_chars: int = 4 * 1024 * 1024
    origins: Sequence[str] = ()
    connections: ConnectionLimits = field(default_factory=ConnectionLimits)
    owns_process: bool = False
    overview_token: str | None = None
    public_url: str | None = None
    role_models: dict[ModelRole, RoleModel] = field(default_factory=dict)
    pool: ModelPool = field(default_factory=ModelPool)
    judge_rule: JudgeRule = "majority"
    user: str | None = None
    faults: Sequence[Callable[[str], Wrapper]] = ()
    user_prompt: str | None = None
    personas: Sequence[str] = ()
    persona_seed: int = 0
    user_check: bool = False
    agent: AgentSpec = EXTERNAL_AGENT
    conversation_tools: bool = False
    new_session_id: Callable[[], str] = lambda: uuid4().hex
    _settings: dict[SettingKey, Setting] = field(default_factory=dict, repr=False)
    _described: list[dict[str, Any]] | None = field(default=None, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def __post_init__(self) -> None:
        self._wrappers = self.catalogue.tool_call_wrappers()

    @property
    def redactor(self) -> Redactor | None:
        """Removes the models' secrets from records; None without models."""
        return next((role_model.redactor for role_model in self.pool.opened), None)

    @property
    def base_url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def base_of(self, request: Request) -> str:
        """Return the base of the URLs in an answer; by default, the address at which the client reached this server."""
        return self.public_url or str(request.base_url).rstrip("/")

    def setting(
        self,
        domain: str,
        *,
        dataset: str | None,
        variant: str = "",
        variant_options: Mapping[str, Any] | None = None,
        solo: bool = False,
        mode: ArgumentMode | None = None,
    ) -> Setting:
        """Return a domain's setting, created once and then shared. Raises UsageError, PackError.

        The number of settings with options is limited, since each stays in memory.
        """
        if domain not in self.domains:
            raise UsageError(f"this server has no domain {domain!r} ({did_you_mean(domain, self.domains)})")
        name = dataset or next(iter(self.datasets), OWN_DATA)
        if name != OWN_DATA and name not in self.datasets:
            known = did_you_mean(name, [*self.datasets, OWN_DATA])
            raise UsageError(f"this server has no dataset {name!r} ({known})")
        options = json.dumps(variant_options or {}, sort_keys=True)
        key = (domain, name, variant, options, solo, mode)
        with self._lock:
            if key not in self._settings:
                if variant_options and len(self._settings) >= MOST_SETTINGS:
                    raise UsageError(f"this server plays {MOST_SETTINGS} choices of options already; give one of those")
                made = load_setting(
                    self.catalogue,
                    domain,
                    dataset=self.datasets.get(name),
                    variant=variant,
                    variant_options=variant_options,
                    solo=solo,
                    mode=mode,
                )
                if variant_options:
                    self._refuse_other_models(made)
                self.pool.open(made.search_models)
                made.bases()
                _ = made.policy_text  # read everything now, so that errors do not occur in an agent's request
                self._settings[key] = made
                if self.owns_process:  # loaded data stays in memory, so the garbage collector need not scan it again
                    gc.collect()
                    gc.freeze()
            return self._settings[key]

    def _refuse_other_models(self, setting: Setting) -> None:
        """Refuse options with which a client would choose the model of a search, or its address. Raises UsageError.

        This server's keys would be sent there. Whoever starts a server may choose others for the run that it serves.
        """
        declared = replace(setting, variant_options={}).search_models
        for role, model in setting.search_models.items():
            if model != declared.get(role) and self.pool.find(role, model) is None:
                raise UsageError(
                    f"variant_options: the {role} model or its arguments differ from those that variant "
                    f"{setting.variant!r} of {setting.domain} declares; only whoever starts the server may choose "
                    "others, with --variant-option for a run that it serves"
                )

    def key_of(self, setting: Setting) -> SettingKey:
        """Return the key of a setting of this server: domain, dataset, variant, its options, solo, argument mode."""
        with self._lock:
            return next(key for key, made in self._settings.items() if made is setting)

    def blueprint(
        self,
        domain: str,
        *,
        task_id: str | None = None,
        task: Task | None = None,
        variant: str = "",
        variant_options: Mapping[str, Any] | None = None,
        solo: bool = False,
        seed: int = 0,
        dataset: str | None = None,
        user: str | None = None,
        mode: ArgumentMode | None = None,
        conversation_tools: bool | None = None,
    ) -> Blueprint:
        """Return the blueprint of an episode. Raises UsageError for names that do not exist or do not fit together."""
        setting = self.setting(
            domain, dataset=dataset, variant=variant, variant_options=variant_options, solo=solo, mode=mode
        )
        if task_id is not None and task is not None:
            raise UsageError("give `task_id` or `task`, not both")
        if task_id is not None:
            (task,) = setting.select(ids=[task_id])
        user_spec = self.catalogue.user(user or self._default_user(solo=solo))
        self.refuse_person(user_spec)
        participants = Participants(
            self.agent,
            user_spec,
            self.limits,
            self._wrappers,
            self.role_models | self.pool.open(setting.search_models),
            self.faults,
            customers=self.customers(setting.pack) if user_spec.follows_prompt else CustomerSettings(),
            judge_rule=self.judge_rule,
        )
        participants.check(setting)
        if conversation_tools is None:
            conversation_tools = self.conversation_tools
        if conversation_tools:
            refuse_clash(setting)
        return Blueprint(
            setting,
            task or free_task(),
            participants,
            seed,
            free=task is None,
            conversation_tools=conversation_tools,
        )

    def customers(self, pack: Pack) -> CustomerSettings:
        """Return how the customers of a domain are played. Raises UsageError for names that it does not have."""
        detectors = self.catalogue.draft_detectors() if self.user_check else None
        return choose_customers(pack, self.user_prompt, self.personas, self.persona_seed, detectors)

    @staticmethod
    def refuse_person(user: UserSpec) -> None:
        """Refuse a customer who is a person at the server's terminal. Raises UsageError."""
        if user.interactive:
            raise UsageError(
                f"user {user.name!r} is a person at a terminal, which a server does not have; name another user"
            )

    def _default_user(self, *, solo: bool) -> str:
        if solo:
            return "none"
        return self.user or ("llm" if "user" in self.role_models else "scripted")

    def describe_tasks(
        self, domain: str, *, dataset: str | None = None, split: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the tasks of a domain to choose from: ids, splits and descriptions, without gold.

        Raises UsageError for a domain, dataset or split that does not exist.
        """
        setting = self.setting(domain, dataset=dataset)
        splits = setting.splits()
        return [
            {
                "id": task.id,
                "splits": [name for name, ids in splits.items() if task.id in ids],
                "description": task.description.purpose if task.description else None,
            }
            for task in setting.select(split=split, ids=() if split else list(setting.tasks()))
        ]

    def describe_domains(self) -> list[dict[str, Any]]:
        """Return, for each domain, the names of its tools, splits, variants and datasets.

        Packs are read once; they do not change while the server runs.
        """
        with self._lock:
            if self._described is None:
                self._described = self._describe_domains()
            return self._described

    def _describe_domains(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for name in self.domains:
            try:
                pack = load_domain_pack(self.catalogue, name)
                splits = {split: len(ids) for split, ids in pack.task_set().splits.items()}
            except Tau2GymError as error:
                rows.append({"name": name, "broken": str(error).split("\n", 1)[0]})
                continue
            rows.append(
                {
                    "name": name,
                    "description": pack.manifest.description,
                    "tools": {role: list(tools) for role, tools in pack.tools.items()},
                    "splits": splits,
                    "variants": list(pack.manifest.variants),
                    "solo": pack.supports_solo,
                    "datasets": [*self.datasets, OWN_DATA],
                }
            )
        return rows
