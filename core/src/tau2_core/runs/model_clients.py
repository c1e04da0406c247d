"""Opening and closing the models of a run, with limits by provider."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence, Set
from math import isfinite
from typing import TypeVar

from tau2_core.errors import UsageError
from tau2_core.llm.cassette import Cassette
from tau2_core.llm.keys import variables_of
from tau2_core.llm.limits import Patience, RequestLimit
from tau2_core.llm.model import Client, RoleModel
from tau2_core.model.llm import AGENT_PROVIDER, ModelRole, ModelSettings
from tau2_core.names import did_you_mean
from tau2_core.redaction import remember, run_redactor

T = TypeVar("T")
PLAYERS: tuple[ModelRole, ...] = ("agent", "user")


def open_models(
    settings: Mapping[ModelRole, ModelSettings],
    *,
    patience: Patience,
    limits: Sequence[str] = (),
    rates: Sequence[str] = (),
    cassette: Cassette | None = None,
    token_traces: bool = False,
) -> dict[ModelRole, RoleModel]:
    """Open the model of each role; models of one provider share its limits. Raises UsageError.

    `token_traces`: the players' models at an endpoint return the ids of their tokens.

    From a cassette nothing is opened, so that no client needs to be imported, which takes seconds.
    """
    for chosen in settings.values():
        _ = chosen.price  # refuses an invalid price before anything is played
    at_once, a_minute = _by_provider("--provider-limit", limits), _by_provider("--provider-rate", rates)
    replaying = cassette is not None and cassette.replaying
    traced = traced_roles(settings) if token_traces else set()
    clients = (
        {}
        if replaying
        else {role: open_client(chosen, role, token_traces=role in traced) for role, chosen in settings.items()}
    )
    providers = {role: client.provider for role, client in clients.items()}
    if not replaying:
        _refuse_unknown({"--provider-limit": at_once, "--provider-rate": a_minute}, set(providers.values()))
    gates = {
        provider: RequestLimit(_whole(at_once.get(provider)), a_minute.get(provider))
        for provider in set(providers.values())
    }
    named = {chosen.model.partition("/")[0] for chosen in settings.values()}
    variables = [name for provider in sorted({*named, *providers.values()}) for name in variables_of(provider)]
    redactor = run_redactor((chosen.args for chosen in settings.values()), variables)
    remember(redactor)
    return {
        role: RoleModel(
            role,
            chosen,
            clients.get(role),
            gates.get(providers.get(role, ""), RequestLimit()),
            patience,
            cassette,
            token_traces=role in traced,
            redactor=redactor,
        )
        for role, chosen in settings.items()
    }


async def closing(role_models: Mapping[ModelRole, RoleModel], work: Awaitable[T]) -> T:
    """Await work, then close the connections to the models' providers, in a process that no longer needs them."""
    try:
        return await work
    finally:
        await close_models(role_models.values())


async def close_models(role_models: Iterable[RoleModel]) -> None:
    """Close the connections to the models' providers, in a process that no longer needs them."""
    for role_model in role_models:
        if role_model.client is not None:
            await role_model.client.close()


def traced_roles(settings: Mapping[ModelRole, ModelSettings]) -> Set[ModelRole]:
    """Return the roles whose models can return token ids. Raises UsageError if there is none."""
    tellers = [role for role, chosen in settings.items() if chosen.model.startswith("endpoint/")]
    found: Set[ModelRole] = {role for role in tellers if role in PLAYERS}
    if not found:
        raise UsageError("--token-traces: only models at an endpoint return token ids: use endpoint/NAME for a role")
    return found


def open_client(settings: ModelSettings, role: ModelRole = "agent", *, token_traces: bool = False) -> Client:
    """Return the client for the model of a role. Raises UsageError."""
    if role == "embedding":
        from tau2_core.llm.embeddings import EmbeddingClient

        return EmbeddingClient(settings)
    if settings.model.startswith("endpoint/"):
        from tau2_core.llm.endpoint import EndpointClient

        return EndpointClient(settings, token_traces=token_traces)
    if settings.model.startswith(f"{AGENT_PROVIDER}/"):
        from tau2_core.llm.agent_client import AgentClient

        return AgentClient(settings)
    from tau2_core.llm.client import LiteLLMClient

    return LiteLLMClient(settings)


def _by_provider(option: str, texts: Sequence[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            found[name] = float(number)
        except ValueError as error:
            raise UsageError(f"{option} {text}: should read PROVIDER=NUMBER") from error
        if not isfinite(found[name]) or found[name] <= 0:
            raise UsageError(f"{option} {text}: the number should be more than 0")
        if option == "--provider-limit" and found[name] != int(found[name]):
            raise UsageError(f"{option} {text}: the number of concurrent requests should be a whole number")
    return found


def _refuse_unknown(options: Mapping[str, Mapping[str, float]], providers: set[str]) -> None:
    for option, numbers in options.items():
        for name in numbers.keys() - providers:
            hint = did_you_mean(name, providers)
            raise UsageError(f"{option} {name}: no model of this run has that provider ({hint})")


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)
