"""The control plane: creating, watching, grading, resetting and deleting episodes. Only the harness may reach it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from tau2_core.errors import Tau2GymError, UsageError
from tau2_core.gym.errors import RefusedError
from tau2_core.gym.hosted import HostedEpisode
from tau2_core.gym.registry import Registry
from tau2_core.gym.settings import Settings
from tau2_core.model.episodes import ArgumentMode, EpisodeRecord
from tau2_core.model.evaluation import Grade
from tau2_core.model.tasks import Task


class NewEpisode(BaseModel):
    """What to create: a domain, and a task by id or written out; without either, a world with nothing to reach."""

    model_config = ConfigDict(extra="forbid")

    domain: str
    task_id: str | None = None
    task: Task | None = None
    variant: str = ""
    solo: bool = False
    seed: int = Field(default=0, ge=-(2**63), lt=2**63)
    dataset: str | None = Field(default=None, description="A dataset's name, or `pack` for the domain's own data.")
    user: str | None = Field(default=None, description="Who answers on the conversation plane.")
    mode: ArgumentMode | None = None
    id: str | None = Field(default=None, pattern=r"^[\w.-]{1,100}$", description="An id of your own.")


class CreatedEpisode(BaseModel):
    """Where to reach a new episode. Give an agent `mcp_url` and `conversation_url`, and nothing else."""

    id: str
    mcp_url: str
    user_mcp_url: str | None
    conversation_url: str | None
    control_url: str
    expires_at: datetime


class EpisodeState(BaseModel):
    """How an episode stands."""

    id: str
    domain: str
    task_id: str
    status: str
    steps: int
    tool_calls: int
    termination: str | None
    expires_at: datetime
    digests: dict[str, str] | None = None


class Reward(BaseModel):
    """The grade as the episode stands; `final` tells that it has ended."""

    reward: float | None
    final: bool
    grade: Grade


class Reset(BaseModel):
    model_config = ConfigDict(extra="forbid")

    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63, description="A new seed; 0 is one.")


def build_control_plane(registry: Registry, settings: Settings) -> FastAPI:
    """Return the control plane's application, with its OpenAPI document at /openapi.json."""
    app = FastAPI(title="tau2-gym control plane", version="1", docs_url=None, redoc_url=None)
    allowed = Depends(_authorised(settings.token))

    @app.post("/v1/episodes", status_code=201, dependencies=[allowed], tags=["episodes"])
    async def create(new: NewEpisode) -> CreatedEpisode:
        blueprint = await asyncio.to_thread(
            settings.blueprint,
            new.domain,
            task_id=new.task_id,
            task=new.task,
            variant=new.variant,
            solo=new.solo,
            seed=new.seed,
            dataset=new.dataset,
            user=new.user,
            mode=new.mode,
        )
        episode = registry.create(blueprint, new.id)
        base = settings.base_url
        two_sided = "user" in blueprint.setting.pack.models and not new.solo
        return CreatedEpisode(
            id=episode.id,
            mcp_url=f"{base}/episodes/{episode.agent_key}/mcp",
            user_mcp_url=f"{base}/episodes/{episode.user_key}/mcp" if two_sided else None,
            conversation_url=None if new.solo else f"{base}/episodes/{episode.agent_key}/conversation",
            control_url=f"{base}/v1/episodes/{episode.id}",
            expires_at=registry.expires_at(episode),
        )

    @app.get("/v1/episodes", dependencies=[allowed], tags=["episodes"])
    async def all_episodes() -> list[EpisodeState]:
        return [_state(registry, episode) for episode in registry.all()]

    @app.get("/v1/episodes/{episode_id}", dependencies=[allowed], tags=["episodes"])
    async def one(episode_id: str) -> EpisodeState:
        episode = registry.get(episode_id)
        state = _state(registry, episode)
        state.digests = (await episode.record()).digests
        return state

    @app.get("/v1/episodes/{episode_id}/reward", dependencies=[allowed], tags=["episodes"])
    async def reward(episode_id: str) -> Reward:
        episode = registry.get(episode_id)
        grade = await registry.grade(episode)
        return Reward(reward=grade.reward, final=episode.ended is not None, grade=grade)

    @app.get("/v1/episodes/{episode_id}/record", dependencies=[allowed], tags=["episodes"])
    async def record(episode_id: str) -> EpisodeRecord:
        return await registry.get(episode_id).record()

    @app.post("/v1/episodes/{episode_id}/reset", dependencies=[allowed], tags=["episodes"])
    async def reset(episode_id: str, wish: Reset | None = None) -> EpisodeState:
        episode = registry.get(episode_id)
        await registry.reset(episode, wish.seed if wish else None)
        return _state(registry, episode)

    @app.delete("/v1/episodes/{episode_id}", status_code=204, dependencies=[allowed], tags=["episodes"])
    async def delete(episode_id: str) -> None:
        await registry.close(episode_id)

    @app.get("/v1/domains", dependencies=[allowed], tags=["server"])
    async def domains() -> list[dict[str, Any]]:
        return await asyncio.to_thread(settings.describe_domains)

    @app.get("/metrics", dependencies=[allowed], tags=["server"], response_class=PlainTextResponse)
    async def metrics() -> PlainTextResponse:
        return PlainTextResponse(registry.metrics.text(), media_type="text/plain; version=0.0.4")

    @app.get("/healthz", tags=["server"])
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(UsageError, _usage)
    app.add_exception_handler(Tau2GymError, _unusable)
    return app


def _state(registry: Registry, episode: HostedEpisode) -> EpisodeState:
    talk = episode.conversation
    return EpisodeState(
        id=episode.id,
        domain=episode.blueprint.setting.domain,
        task_id=episode.blueprint.task.id,
        status="ended" if episode.ended else "open",
        steps=talk.steps,
        tool_calls=talk.tool_calls,
        termination=episode.ended.value if episode.ended else None,
        expires_at=registry.expires_at(episode),
    )


def _authorised(token: str | None) -> Callable[[Request], Awaitable[None]]:
    async def check(request: Request) -> None:
        if token is None:
            return
        given = request.headers.get("authorization", "")
        if not secrets.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise RefusedError(401, "unauthorised", "the control plane needs `Authorization: Bearer TOKEN`")

    return check


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
    return JSONResponse(error.body(), error.status, headers=headers)


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = [f"{'.'.join(str(part) for part in detail['loc'])}: {detail['msg']}" for detail in error.errors()]
    return JSONResponse({"error": {"code": "invalid_request", "message": "; ".join(found)}}, 422)


async def _usage(_request: Request, error: Exception) -> Response:
    return JSONResponse({"error": {"code": "invalid_request", "message": str(error)}}, 422)


async def _unusable(_request: Request, error: Exception) -> Response:
    """A pack or dataset that is broken is the server's trouble, but a known one: 424, and the cause."""
    return JSONResponse({"error": {"code": "unusable_domain", "message": str(error)}}, 424)
