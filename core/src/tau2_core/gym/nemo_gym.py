"""The dialect of NeMo Gym's agents: the server acts as a resources server, with its routes at the root.

The protocol is that of nemo-gym 0.7. An agent seeds a session with a row of its dataset, posts each tool call to the
route with the tool's name, and finally asks for the reward. A cookie identifies the session.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from statistics import fmean
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tau2_core.errors import Tau2GymError
from tau2_core.gym.credentials import check_token
from tau2_core.gym.data_plane import bounded_text, carry_out
from tau2_core.gym.errors import RefusedError, answer, as_refusal
from tau2_core.gym.hosted_episode import HostedEpisode
from tau2_core.gym.openenv.environments import Environments
from tau2_core.gym.openenv.messages import ResetOptions
from tau2_core.gym.registry import Registry
from tau2_core.gym.request_json import parse_body
from tau2_core.gym.server_settings import ServerSettings
from tau2_core.validation_errors import first_wrong_part

COOKIE = "tau2_gym_session"


class NemoGym:
    """Sessions of NeMo Gym's agents. A session is an episode, whose id is the value of the cookie."""

    def __init__(self, registry: Registry, settings: ServerSettings) -> None:
        self.registry = registry
        self.settings = settings
        self.environments = Environments(registry, settings)

    def routes(self) -> list[Route]:
        """Return the routes. The tools' route comes last, since it matches every remaining path."""
        return [
            self._route("/seed_session", self._seed),
            self._route("/verify", self._verify),
            self._route("/close_session", self._close),
            self._route("/aggregate_metrics", self._aggregate),
            self._route("/reverify_mode", self._reverify_mode, "GET"),
            self._route("/{tool}", self._call),
        ]

    def _route(self, path: str, handle: Callable[[Request], Awaitable[Response]], method: str = "POST") -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                check_token(self.settings.token, request.headers)
                return await handle(request)
            except Tau2GymError as error:
                return answer(request.scope, as_refusal(error))

        return Route(path, endpoint, methods=[method])

    async def _seed(self, request: Request) -> Response:
        """Begin the episode of a row. The answer contains its MCP URL, for agents that call tools over MCP."""
        row = await _object(request)
        if "resources_session_id" in row:
            what = "sessions of Environment Servers are not supported; use an agent with a `/run` of its own"
            raise RefusedError(422, "invalid_request", what)
        domain = self.environments.require(row.get("domain", self.settings.domains[0]))
        try:
            options = ResetOptions.model_validate(
                {name: row[name] for name in ResetOptions.model_fields if name in row}
            )
        except ValidationError as error:
            raise RefusedError(422, "invalid_request", first_wrong_part(error)) from error
        episode = await self.environments.begin(domain, options)
        path = f"/episodes/{episode.agent_key}/mcp"
        mcp = {"server_name": domain, "url_path": path, "transport": "http", "headers": {}}
        response = JSONResponse({"mcp": mcp})
        response.set_cookie(COOKIE, episode.id, httponly=True)
        return response

    async def _call(self, request: Request) -> Response:
        """Call the tool named in the path. Failures are returned as text for the model, like all results."""
        episode, name = self._session(request), request.path_params["tool"]
        result = await carry_out(self.registry, episode, "agent", name, await _object(request))
        return PlainTextResponse(bounded_text(result.content, self.settings.max_result_chars))

    async def _verify(self, request: Request) -> Response:
        """End the episode and return its row with the reward; `mask_sample` is set if the reward must not be used."""
        row, episode = await _object(request), self._session(request)
        await self.registry.close(episode.id)
        grade = await self.registry.grade(episode)
        reward = grade.reward_for("agent")
        row |= {
            "reward": reward or 0.0,
            "mask_sample": reward is None,
            "failure_kind": f"tau2_gym:{grade.outcome.value}" if reward is None else None,
            "failure_reason": (await episode.record()).error if reward is None else None,
            "outcome": grade.outcome.value,
            "criteria": {name: verdict.reward for name, verdict in grade.verdicts.items()},
        }
        return JSONResponse(row)

    async def _close(self, request: Request) -> Response:
        """Close the session's episode, unless it has already ended."""
        episode = self.registry.find(request.cookies.get(COOKIE, ""))
        if episode is not None:
            await self.registry.close(episode.id)
        return JSONResponse({})

    async def _aggregate(self, request: Request) -> Response:
        """Return the mean reward of the verified rows, without masked ones."""
        rows = (await _object(request)).get("verify_responses")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise RefusedError(422, "invalid_request", "verify_responses: should be a list of objects")
        counted = [row.get("reward") for row in rows if not row.get("mask_sample")]
        rewards = [reward for reward in counted if isinstance(reward, int | float)]
        mean = {"mean/reward": fmean(rewards)} if rewards else {}
        return JSONResponse({"group_level_metrics": [], "agent_metrics": mean, "key_metrics": mean})

    async def _reverify_mode(self, _request: Request) -> Response:
        return JSONResponse("unsupported")  # the reward belongs to a world that no longer exists

    def _session(self, request: Request) -> HostedEpisode:
        episode_id = request.cookies.get(COOKIE)
        if episode_id is None:
            raise RefusedError(400, "no_session", "the session's cookie is missing: POST /seed_session first")
        return self.registry.get(episode_id)


async def _object(request: Request) -> dict[str, Any]:
    value = parse_body(await request.body())
    if not isinstance(value, dict):
        raise RefusedError(422, "invalid_request", "body: should be an object")
    return value
