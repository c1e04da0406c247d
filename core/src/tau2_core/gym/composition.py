"""Building the parts of a server from its options, for the command line and for worker processes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from urllib.parse import urlsplit

from tau2_core.episode.customer_settings import refuse_without_effect
from tau2_core.episode.limits import Limits
from tau2_core.episode.participants import EXTERNAL_AGENT
from tau2_core.episode.setting import Setting
from tau2_core.errors import Tau2GymError, UsageError
from tau2_core.gym.connections import ConnectionLimits
from tau2_core.gym.entries import Runs
from tau2_core.gym.registry import Registry
from tau2_core.gym.server_settings import ServerSettings, named_datasets
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.runs.composition import Composition, compose_run, open_role_models, run_setting
from tau2_core.runs.evaluator_sets import choose_evaluators
from tau2_core.runs.loading import load_domain_pack, open_faults
from tau2_core.runs.model_clients import ModelPool
from tau2_core.runs.options import Options, RoleOptions

STARTS_A_RUN = ("split", "task", "num_tasks", "sample", "trials", "name")


def serves_a_run(options: Options) -> bool:
    """Tell whether the options describe a run, whose slots the server hands out."""
    return options.transport == "http" and any(getattr(options, name) not in (None, []) for name in STARTS_A_RUN)


def compose_served_run(options: Options, catalogue: Catalogue, settings: ServerSettings) -> Composition:
    """Return the run that the options describe. Raises UsageError, PackError, DatasetError."""
    without_workers = options.model_copy(update={"workers": None, "executor": "async"})  # of the server as a whole
    setting = run_setting(options, catalogue)
    models = settings.role_models | settings.pool.open(setting.search_models)
    return compose_run(without_workers, catalogue, models, settings.agent, setting=setting)


def open_registry(options: Options, catalogue: Catalogue, runs: Runs) -> Registry:
    """Return the registry of a server, or of one of its processes."""
    return Registry(
        catalogue,
        runs,
        max_episodes=options.max_episodes,
        idle_seconds=options.idle_timeout,
        evaluators=options.evaluators,
    )


def of_the_server(options: Options) -> Options:
    """Return the options without the agent's. The agent is a client of the server, so its model needs no key here."""
    return options.model_copy(update={"agent": RoleOptions()})


def public_url(text: str | None) -> str | None:
    """Return the base URL for clients, without a trailing slash. Raises UsageError if the text is not a URL."""
    if text is None:
        return None
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(f"--public-url {text}: should be like https://gym.example.org or https://example.org/gym")
    return text.rstrip("/")


def open_settings(options: Options, catalogue: Catalogue, pool: ModelPool) -> ServerSettings:
    """Return the settings that the options describe, with their models. Raises UsageError, PackError, DatasetError."""
    domains = list(dict.fromkeys(options.domain or catalogue.domain_names()))
    for name in options.domain:  # one broken domain must not prevent the others from being served
        load_domain_pack(catalogue, name)
    if options.evaluators is not None:
        choose_evaluators(
            catalogue, options.evaluators
        )  # report a wrong name now, not when the first episode is created
    role_models = open_role_models(pool, of_the_server(options), catalogue)
    settings = ServerSettings(
        catalogue,
        domains,
        named_datasets(options.dataset),
        options.host,
        options.port,
        options.token or None,
        Limits(options.max_steps, options.max_errors, options.timeout),
        owns_process=True,
    )
    settings.origins = options.allow_origin
    settings.public_url = public_url(options.public_url)
    settings.connections = ConnectionLimits(
        connections=options.max_connections, request_seconds=options.request_timeout
    )
    settings.role_models = role_models
    settings.judge_rule = options.judge.rule
    settings.pool = pool
    settings.conversation_tools = options.conversation_tools
    settings.user = options.user.name
    if settings.user is not None:
        settings.refuse_person(catalogue.user(settings.user))
    settings.user_prompt, settings.personas = options.user_prompt, options.persona
    settings.persona_seed, settings.user_check = options.seed, options.user_check
    if settings.user_prompt is not None or settings.personas or settings.user_check:
        _refuse_unknown_customers(settings)
    settings.faults = open_faults(catalogue, options.fault)
    settings.agent = replace(EXTERNAL_AGENT, name=options.agent_name or EXTERNAL_AGENT.name)
    return settings


def _refuse_unknown_customers(settings: ServerSettings) -> None:
    """Refuse options of the customer without effect, and names that a domain does not have."""
    name = settings.user or ("llm" if "user" in settings.role_models else "scripted")
    refuse_without_effect(settings.catalogue.user(name))
    for domain in settings.domains:
        settings.customers(load_domain_pack(settings.catalogue, domain))


def providers_of_searches(catalogue: Catalogue, domains: Sequence[str]) -> set[str]:
    """Return the providers of the models that tools of these domains ask in any variant."""
    found: set[str] = set()
    for name in domains:
        with suppress(Tau2GymError):  # it cannot be played, so its tools ask nobody
            pack = load_domain_pack(catalogue, name)
            for variant in pack.manifest.variants:
                with suppress(Tau2GymError):
                    asked = Setting(pack, variant=variant).search_models
                    found |= {settings.model.partition("/")[0] for settings in asked.values()}
    return found
