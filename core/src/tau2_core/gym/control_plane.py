"""The control plane: creating, observing, grading, resetting and deleting episodes. For the harness only."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from starlette.exceptions import HTTPException

from tau2_core.errors import Tau2GymError
from tau2_core.gym.control_models import (
    ClaimedSlot,
    CreatedEpisode,
    EpisodeState,
    ErrorBody,
    NewEpisode,
    Reset,
    Reward,
    RunProgress,
    SlotState,
)
from tau2_core.gym.credentials import require_token
from tau2_core.gym.errors import refuse, refuse_http, refuse_invalid
from tau2_core.gym.expiry import expire
from tau2_core.gym.front_page import front_page
from tau2_core.gym.hosted_episode import HostedEpisode
from tau2_core.gym.registry import Registry
from tau2_core.gym.request_json import StrictRoute
from tau2_core.gym.server_settings import ServerSettings
from tau2_core.model.episodes import EpisodeRecord

REFUSALS = {
    400: "The body is not JSON",
    401: "The server's token is missing or wrong",
    404: "There is no such episode, or no run to play",
    409: "The id is taken; all remaining slots are being played",
    410: "The episode was deleted or has expired; all slots are played, or the run was stopped",
    422: "The request is invalid: a name does not exist, or a task cannot be set up",
    424: "The domain's pack or dataset is broken",
    503: "The server is full, or --max-cost is reached",
    507: "The record cannot be written; the episode stays open",
}


def _refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": ErrorBody, "description": REFUSALS[status]} for status in (401, *statuses)}


def build_control_plane(registry: Registry, settings: ServerSettings) -> FastAPI:
    """Return the control plane's application, with its OpenAPI document at /openapi.json."""
    app = FastAPI(title="tau2-gym control plane", version="1", docs_url=None, redoc_url=None)
    app.router.route_class = StrictRoute
    allowed = Depends(require_token(settings.token))
    overview = Depends(require_token(settings.token or settings.overview_token))

    @app.post(
        "/v1/episodes",
        status_code=201,
        dependencies=[allowed],
        responses=_refusals(400, 409, 422, 424, 503),
        tags=["episodes"],
    )
    async def create(new: NewEpisode, request: Request) -> CreatedEpisode:
        registry.admit(new.id or "")
        episode = await registry.workers.run(partial(_build, registry, settings, new))
        return _created(registry, await registry.add(episode), settings.base_of(request))

    @app.post(
        "/v1/slots",
        status_code=201,
        dependencies=[overview],
        responses=_refusals(404, 409, 410, 424, 503),
        tags=["slots"],
    )
    async def claim(request: Request) -> ClaimedSlot:
        """Claim the next slot of the run that this server was started for."""
        episode = await registry.claims.claim()
        slot = episode.blueprint.slot
        assert slot is not None
        urls = _created(registry, episode, settings.base_of(request)).model_dump()
        left = 0.0 if episode.deadline is None else episode.deadline - time.monotonic()
        deadline = datetime.now(UTC) + timedelta(seconds=left)
        return ClaimedSlot(**urls, trial=slot.trial, attempt=episode.attempt, deadline=deadline)

    @app.get("/v1/slots", dependencies=[overview], responses=_refusals(404), tags=["slots"])
    async def progress() -> RunProgress:
        """Return the progress of the run that this server was started for."""
        run, slots = registry.claims.served()
        await expire(registry)
        graded = run.tally.rewarded
        return RunProgress(
            run=run.journal.folder.name,
            stopped=slots.stopped,
            slots=[
                SlotState(task_id=slot.task_id, trial=slot.trial, status=status, attempts=attempts)
                for slot, status, attempts in slots.items()
            ],
            counts=slots.counts(),
            graded=graded,
            pending=run.tally.pending,
            mean_reward=float(run.tally.rewards) / graded if graded else None,
        )

    @app.get("/v1/episodes", dependencies=[overview], responses=_refusals(), tags=["episodes"])
    async def all_episodes() -> list[EpisodeState]:
        own = [episode_state(registry, episode) for episode in registry.all()]
        if registry.worker_processes is None:
            return own
        return own + [EpisodeState.model_validate(state) for state in await registry.worker_processes.states()]

    @app.get("/v1/episodes/{episode_id}", dependencies=[allowed], responses=_refusals(404, 410, 422), tags=["episodes"])
    async def one(episode_id: str) -> EpisodeState:
        episode = registry.get(episode_id)
        state = episode_state(registry, episode)
        if not episode.lock.locked():
            state.digests = await episode.backend.digests()
        return state

    @app.get(
        "/v1/episodes/{episode_id}/reward",
        dependencies=[allowed],
        responses=_refusals(404, 410, 422),
        tags=["episodes"],
    )
    async def reward(episode_id: str) -> Reward:
        episode = registry.get(episode_id)
        grade = await registry.grade(episode)
        return Reward(reward=grade.reward, final=episode.ended is not None, grade=grade)

    @app.get(
        "/v1/episodes/{episode_id}/record",
        dependencies=[allowed],
        responses=_refusals(404, 410, 422),
        tags=["episodes"],
        response_model_exclude_none=True,
    )
    async def record(episode_id: str) -> EpisodeRecord:
        return await registry.get(episode_id).record()

    @app.post(
        "/v1/episodes/{episode_id}/reset",
        dependencies=[allowed],
        responses=_refusals(400, 404, 410, 422, 507),
        tags=["episodes"],
    )
    async def reset(episode_id: str, options: Reset | None = None) -> EpisodeState:
        episode = registry.get(episode_id)
        await registry.reset(episode, options.seed if options else None)
        return episode_state(registry, episode)

    @app.delete(
        "/v1/episodes/{episode_id}",
        status_code=204,
        dependencies=[allowed],
        responses=_refusals(404, 410, 422, 507),
        tags=["episodes"],
    )
    async def delete(episode_id: str) -> None:
        await registry.close(episode_id)

    @app.get("/v1/domains", dependencies=[allowed], responses=_refusals(), tags=["server"])
    async def domains() -> list[dict[str, Any]]:
        return await registry.workers.run(settings.describe_domains)

    @app.get("/v1/domains/{domain}/tasks", dependencies=[overview], responses=_refusals(404, 422, 424), tags=["server"])
    async def tasks(domain: str, split: str | None = None, dataset: str | None = None) -> list[dict[str, Any]]:
        """Return the tasks of a domain: ids, splits and descriptions."""
        return await registry.workers.run(partial(settings.describe_tasks, domain, dataset=dataset, split=split))

    @app.get(
        "/metrics", dependencies=[overview], responses=_refusals(), tags=["server"], response_class=PlainTextResponse
    )
    async def metrics() -> PlainTextResponse:
        return PlainTextResponse(await registry.metrics_text(), media_type="text/plain; version=0.0.4")

    app.add_route("/", front_page, include_in_schema=False)
    app.add_route("/docs", front_page, include_in_schema=False)

    @app.get("/healthz", tags=["server"])
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    app.add_exception_handler(Tau2GymError, refuse)
    app.add_exception_handler(HTTPException, refuse_http)
    app.add_exception_handler(RequestValidationError, refuse_invalid)
    return app


def _build(registry: Registry, settings: ServerSettings, new: NewEpisode) -> HostedEpisode:
    blueprint = settings.blueprint(
        new.domain,
        task_id=new.task_id,
        task=new.task,
        variant=new.variant,
        variant_options=new.variant_options,
        solo=new.solo,
        seed=new.seed,
        dataset=new.dataset,
        user=new.user,
        mode=new.mode,
        conversation_tools=new.conversation_tools,
    )
    registry.refuse_ungradable(blueprint)
    return registry.build(blueprint, new.id)


def _created(registry: Registry, episode: HostedEpisode, base: str) -> CreatedEpisode:
    talk = f"{base}/episodes/{episode.agent_key}/conversation"
    return CreatedEpisode(
        id=episode.id,
        mcp_url=f"{base}/episodes/{episode.agent_key}/mcp",
        user_mcp_url=f"{base}/episodes/{episode.user_key}/mcp" if episode.blueprint.two_sided else None,
        conversation_url=talk if episode.blueprint.has_customer else None,
        control_url=f"{base}/v1/episodes/{episode.id}",
        expires_at=registry.expires_at(episode),
        wrapped=bool(episode.blueprint.participants.wrappers),
    )


def episode_state(registry: Registry, episode: HostedEpisode) -> EpisodeState:
    """Return what the control plane shows of an episode, without its digests."""
    talk = episode.episode.conversation
    return EpisodeState(
        id=episode.id,
        domain=episode.blueprint.setting.domain,
        task_id=episode.blueprint.task.id,
        status="ended" if episode.ended else "open",
        steps=talk.steps,
        tool_calls=talk.tool_calls,
        termination=episode.ended.value if episode.ended else None,
        expires_at=registry.expires_at(episode),
        last_call_skipped=episode.last_call_skipped,
        unlocked=episode.backend.environment.all_unlocked() or None,
    )
