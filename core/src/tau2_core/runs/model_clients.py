"""Opening and closing the models of a run or a server, with limits by provider."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence, Set
from math import isfinite
from threading import Lock
from typing import TypeVar

from tau2_core.errors import UsageError
from tau2_core.llm.cassette import Cassette
from tau2_core.llm.client import Client
from tau2_core.llm.keys import variables_of
from tau2_core.llm.limits import Patience, RequestLimit
from tau2_core.llm.model import RoleModel
from tau2_core.model.llm import AGENT_PROVIDER, ModelRole, ModelSettings
from tau2_core.name_suggestions import did_you_mean
from tau2_core.redaction import Redactor, remember, run_secrets
from tau2_core.runs.stopping import refuse_unknown_price

T = TypeVar("T")
PLAYERS: tuple[ModelRole, ...] = ("agent", "user")


class ModelPool:
    """Opens models, each role with the same settings once. All of them share the limits by provider and the cassette.

    `adapt` changes each model that is opened. With `priced`, models whose price is unknown are refused.
    """

    def __init__(
        self,
        *,
        patience: Patience | None = None,
        limits: Sequence[str] = (),
        rates: Sequence[str] = (),
        cassette: Cassette | None = None,
        adapt: Callable[[RoleModel], RoleModel] = lambda role_model: role_model,
        priced: bool = False,
    ) -> None:
        self.opened: list[RoleModel] = []
        self._patience = patience or Patience()
        self._at_once, self._a_minute = _by_provider("--provider-limit", limits), _by_provider("--provider-rate", rates)
        self._cassette = cassette
        self._replaying = cassette is not None and cassette.replaying
        self._adapt = adapt
        self._priced = priced
        self._gates: dict[str, RequestLimit] = {}
        self._redactor = Redactor()
        self._lock = Lock()

    def open(
        self, settings: Mapping[ModelRole, ModelSettings], traced: Set[ModelRole] = frozenset()
    ) -> dict[ModelRole, RoleModel]:
        """Return the model of each role, opened unless it is open. Raises UsageError; then none of them is open.

        `traced`: the roles whose models return the ids of their tokens.

        From a cassette nothing is opened, so that no client needs to be imported, which takes seconds.
        """
        with self._lock:
            found: dict[ModelRole, RoleModel] = {}
            new: list[RoleModel] = []
            for role, chosen in settings.items():
                known = self.find(role, chosen)
                if known is None:
                    known = self._open(role, chosen, traced=role in traced)
                    new.append(known)
                found[role] = known
            self._learn_secrets(new)
            self.opened += new
            return found

    def find(self, role: ModelRole, settings: ModelSettings) -> RoleModel | None:
        """Return the model of a role with these settings if it is open."""
        return next((each for each in self.opened if (each.role, each.settings) == (role, settings)), None)

    def _open(self, role: ModelRole, settings: ModelSettings, *, traced: bool) -> RoleModel:
        _ = settings.price  # refuses an invalid price before anything is played
        client = None if self._replaying else open_client(settings, role, token_traces=traced)
        role_model = RoleModel(
            role,
            settings,
            client,
            self._gate(client),
            self._patience,
            self._cassette,
            token_traces=traced,
            redactor=self._redactor,
        )
        if self._priced:
            refuse_unknown_price(role_model)
        return self._adapt(role_model)

    def _gate(self, client: Client | None) -> RequestLimit:
        if client is None:
            return RequestLimit()
        name = client.provider
        if name not in self._gates:
            self._gates[name] = RequestLimit(_whole(self._at_once.get(name)), self._a_minute.get(name))
        return self._gates[name]

    def _learn_secrets(self, made: Collection[RoleModel]) -> None:
        """Keep the secrets of these models out of everything that is written."""
        named = {each.settings.model.partition("/")[0] for each in made}
        providers = named | {each.client.provider for each in made if each.client is not None}
        variables = [name for provider in sorted(providers) for name in variables_of(provider)]
        self._redactor.add(run_secrets((each.settings.args for each in made), variables))
        remember(self._redactor)

    def refuse_unknown_limits(self, more: Callable[[], Collection[str]] = tuple) -> None:
        """Refuse limits of providers that no open model has. Raises UsageError.

        `more` returns providers of models that may be opened later.
        """
        if self._replaying:
            return
        known = {each.client.provider for each in self.opened if each.client is not None}
        for option, numbers in {"--provider-limit": self._at_once, "--provider-rate": self._a_minute}.items():
            if numbers.keys() - known:
                known |= {*more()}
            for name in numbers.keys() - known:
                hint = did_you_mean(name, known)
                raise UsageError(f"{option} {name}: no model of this run has that provider ({hint})")


def open_models(
    settings: Mapping[ModelRole, ModelSettings], *, patience: Patience, cassette: Cassette | None = None
) -> dict[ModelRole, RoleModel]:
    """Open the model of each role, without limits. Raises UsageError."""
    return ModelPool(patience=patience, cassette=cassette).open(settings)


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
        from tau2_core.llm.endpoint_client import EndpointClient

        return EndpointClient(settings, token_traces=token_traces)
    if settings.model.startswith(f"{AGENT_PROVIDER}/"):
        from tau2_core.llm.agent_client import AgentClient

        return AgentClient(settings)
    from tau2_core.llm.litellm_client import LiteLLMClient

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


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)
