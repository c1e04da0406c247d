"""A direct client for endpoints with OpenAI's chat-completions protocol, which takes a tenth of litellm's CPU time.

docs/decisions/0014-two-clients.md explains why there are two clients.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import msgspec

from tau2_core.errors import UsageError
from tau2_core.llm.answers import read_answer
from tau2_core.llm.chat import request_arguments, standard_message
from tau2_core.llm.eager_request import REQUEST_CLASS
from tau2_core.llm.failures import as_model_error, refusal
from tau2_core.llm.keys import refuse_bad_keys, variables_of
from tau2_core.llm.token_answers import template_digest
from tau2_core.model.llm import PRICES, Completion, ModelError, ModelSettings

PROVIDER = "endpoint"
_CONNECTION = frozenset({"api_base", "base_url", "api_key", "timeout", "extra_headers", "extra_body"})


class EndpointClient:
    """Sends single requests to `api_base`/chat/completions, without retries. Raises UsageError without that argument.

    Arguments that are not about the connection are added to the body of each request unchanged.
    """

    provider = PROVIDER

    def __init__(self, settings: ModelSettings, *, token_traces: bool = False) -> None:
        self.token_traces = token_traces
        self.settings = settings
        self.name = settings.model.partition("/")[2]
        args = settings.args
        base = str(args.get("api_base") or args.get("base_url") or "").rstrip("/")
        if not self.name or not base.startswith(("http://", "https://")):
            arguments = '{"api_base": "http://127.0.0.1:8000/v1"}'
            raise UsageError(
                f"model {settings.model!r}: write {PROVIDER}/NAME with its address, such as --agent-args '{arguments}'"
            )
        self.url = self._address(base)
        refuse_bad_keys(settings, self.provider)
        key = args.get("api_key") or os.environ.get(variables_of(self.provider)[0])
        self._headers = {
            "Content-Type": "application/json",
            **({"Authorization": f"Bearer {key}"} if key else {}),
            **(args.get("extra_headers") or {}),
        }
        self._seconds = args.get("timeout")
        self._args = {name: value for name, value in args.items() if name not in _CONNECTION and name not in PRICES}
        self._args |= args.get("extra_body") or {}
        if token_traces:
            self._args |= {"return_token_ids": True, "logprobs": True}
        self._template = template_digest(self._args)
        self._session: aiohttp.ClientSession | None = None
        self._tools: tuple[Mapping[str, Any], ...] = ()
        self._tools_json = msgspec.Raw(b"[]")

    async def complete(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]], options: Mapping[str, Any]
    ) -> Completion:
        """Make one request. Raises ModelError."""
        headers = {**self._headers, **options.get("extra_headers", {})}
        options = {name: value for name, value in options.items() if name != "extra_headers"}
        try:
            content = msgspec.json.encode(self._body(messages, tools, options))
            # Redirects are not followed: requests go to the given address only.
            request = self._connections().post(self.url, data=content, headers=headers, allow_redirects=False)
            async with request as response:
                answer = await self._receive(response)
            if response.status != 200:
                raise refusal(response.status, response.headers, answer.decode("utf-8", "replace"))
            completion = self._read(answer)
            if completion.tokens is not None:
                completion.tokens.template = self._template
            completion.cost = self.settings.cost(completion.usage or {})
            return completion
        except ModelError:
            raise
        except Exception as error:
            raise as_model_error(error) from error

    def _address(self, base: str) -> str:
        return f"{base}/chat/completions"

    def _body(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]], options: Mapping[str, Any]
    ) -> dict[str, Any]:
        arguments = request_arguments(self._args, options, tools)
        body: dict[str, Any] = {"model": self.name, "messages": [self.outgoing(message) for message in messages]}
        body |= {name: value for name, value in arguments.items() if value is not None}
        if tools and isinstance(tools, tuple):
            body["tools"] = self._encoded(tools)
        return body

    async def _receive(self, response: aiohttp.ClientResponse) -> bytes:
        return await response.read()

    def _read(self, answer: bytes) -> Completion:
        return read_answer(answer, tokens=self.token_traces)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def outgoing(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a message as it is sent: with the model's non-standard fields, unless `carry` is `standard`."""
        if message.get("role") != "assistant" or self.settings.carry != "standard":
            return message
        return standard_message(message)

    def takes_seed(self) -> bool | None:
        """Return None: it is not known whether the endpoint accepts a seed. It is sent in any case."""
        return None

    def knows_price(self) -> bool:
        """Tell whether the settings name a price."""
        return self.settings.price is not None

    def _encoded(self, tools: tuple[Mapping[str, Any], ...]) -> msgspec.Raw:
        """Return tools as JSON. It is cached, since a role's tools are the same in nearly all requests of a run."""
        if tools is not self._tools:
            self._tools, self._tools_json = tools, msgspec.Raw(msgspec.json.encode(tools))
        return self._tools_json

    def _connections(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),  # the run has its own limits
                cookie_jar=aiohttp.DummyCookieJar(),
                request_class=REQUEST_CLASS,
                timeout=aiohttp.ClientTimeout(total=self._seconds),
                proxy=_proxy(self.url),
            )
        return self._session


def _proxy(url: str) -> str | None:
    """Return the proxy for an address from the environment, as litellm and curl choose it."""
    address = urlsplit(url)
    return None if proxy_bypass(address.hostname or "") else getproxies().get(address.scheme)
