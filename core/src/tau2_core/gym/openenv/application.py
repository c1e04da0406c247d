"""The HTTP routes of an environment, as OpenEnv's client, its validator and its task API expect them."""

from __future__ import annotations

from functools import partial
from importlib.metadata import version
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import WebSocketRoute

from tau2_core.errors import Tau2GymError
from tau2_core.gym.credentials import require_token
from tau2_core.gym.dialect_sessions import DialectSessions
from tau2_core.gym.errors import RefusedError, refuse, refuse_http, refuse_invalid
from tau2_core.gym.openenv.environments import Environments
from tau2_core.gym.openenv.messages import (
    HttpStep,
    OfSplit,
    OneTask,
    ResetOptions,
    State,
    Stepped,
    TaskRange,
    schemas,
)
from tau2_core.gym.openenv.rpc import Rpc
from tau2_core.gym.openenv.sessions import EnvironmentSession
from tau2_core.gym.openenv.websockets import WebSockets
from tau2_core.gym.registry import Registry
from tau2_core.gym.request_json import StrictRoute
from tau2_core.gym.server_settings import ServerSettings
from tau2_core.gym.websocket_connections import MISSING, installed

PROTOCOL = "1.0.0"  # openenv-http/1.x
SPLIT_TYPES = {"train", "validation", "test"}
SHORTEST_SESSION_SECONDS = 60.0


class OpenEnv:
    """The dialect: its application, which is mounted at a path with `{domain}`, and its open sessions."""

    def __init__(self, registry: Registry, settings: ServerSettings) -> None:
        idle_seconds = max(registry.idle_seconds, SHORTEST_SESSION_SECONDS)
        self.environments = Environments(registry, settings)
        self.sessions: DialectSessions[EnvironmentSession] = DialectSessions(
            2 * registry.max_episodes, idle_seconds, lambda session: session.has_world, settings.new_session_id
        )
        self.rpc = Rpc(self.environments, self.sessions)
        self.application = self._application(settings)

    def _application(self, settings: ServerSettings) -> FastAPI:
        app = FastAPI(title="tau2-gym as OpenEnv", version=PROTOCOL, docs_url=None, redoc_url=None)
        app.router.route_class = StrictRoute
        app.add_exception_handler(Tau2GymError, refuse)
        app.add_exception_handler(HTTPException, refuse_http)
        app.add_exception_handler(RequestValidationError, refuse_invalid)
        self._add_description(app)
        self._add_play(app, Depends(require_token(settings.token)))
        self._add_tasks(app, Depends(require_token(settings.token or settings.overview_token)))
        return app

    def _domain(self, request: Request) -> str:
        return self.environments.require(request.path_params["domain"])

    def _add_description(self, app: FastAPI) -> None:
        environments = self.environments
        named = Depends(self._domain)

        @app.get("/health", dependencies=[named])
        async def health() -> dict[str, str]:
            return {"status": "healthy"}

        @app.get("/metadata")
        async def metadata(domain: str = named) -> dict[str, Any]:
            setting = await environments.setting(domain)
            about = setting.pack.manifest.description
            return {"name": domain, "description": about, "version": version("tau2-core")}

        @app.get("/schema", dependencies=[named])
        async def schema() -> dict[str, Any]:
            return schemas()

    def _add_play(self, app: FastAPI, allowed: Any) -> None:
        environments, rpc = self.environments, self.rpc
        named = Depends(self._domain)

        @app.post("/reset", dependencies=[allowed])
        async def reset(options: ResetOptions | None = None, domain: str = named) -> Stepped:
            return await environments.first(await environments.begin(domain, options or ResetOptions()))

        @app.post("/step", dependencies=[allowed])
        async def step(what: HttpStep, domain: str = named) -> Stepped:
            return await environments.step(environments.find(domain, what.episode_id), what.action)

        @app.get("/state", dependencies=[allowed])
        async def state(episode_id: str | None = None, domain: str = named) -> State:
            return State() if episode_id is None else environments.state(environments.find(domain, episode_id))

        @app.post("/mcp", dependencies=[allowed])
        async def mcp(request: Request, domain: str = named) -> dict[str, Any]:
            return await rpc.answer_text(domain, await request.body())

        websockets = WebSockets(rpc)
        app.router.routes.append(WebSocketRoute("/ws", websockets.step))
        app.router.routes.append(WebSocketRoute("/mcp", websockets.mcp))
        if not installed():

            @app.get("/ws", dependencies=[named], include_in_schema=False)
            async def without_websockets() -> None:
                raise RefusedError(501, "no_websockets", MISSING)

    def _add_tasks(self, app: FastAPI, allowed: Any) -> None:
        listed, named = Depends(self._domain), Depends(self._environment)

        @app.get("/list_environments", dependencies=[allowed])
        async def list_environments(domain: str = listed) -> list[str]:
            return [domain]

        @app.get("/{env_name}/splits", dependencies=[allowed])
        async def splits(domain: str = named) -> list[dict[str, str]]:
            setting = await self.environments.setting(domain)
            return [{"name": name, "type": name if name in SPLIT_TYPES else "validation"} for name in setting.splits()]

        @app.post("/{env_name}/tasks", dependencies=[allowed])
        async def tasks(which: OfSplit, domain: str = named) -> dict[str, Any]:
            return {"tasks": await self._tasks(domain, which.split), "env_name": domain}

        @app.post("/{env_name}/num_tasks", dependencies=[allowed])
        async def num_tasks(which: OfSplit, domain: str = named) -> dict[str, int]:
            return {"num_tasks": len(await self._tasks(domain, which.split))}

        @app.post("/{env_name}/task", dependencies=[allowed])
        async def task(which: OneTask, domain: str = named) -> dict[str, Any]:
            found = await self._tasks(domain, which.split)
            if not 0 <= which.index < len(found):
                raise RefusedError(400, "invalid_index", f"index should be from 0 to {len(found) - 1}")
            return {"task": found[which.index]}

        @app.post("/{env_name}/task_range", dependencies=[allowed])
        async def task_range(which: TaskRange, domain: str = named) -> dict[str, Any]:
            return {"tasks": (await self._tasks(domain, which.split))[which.start : which.stop]}

    def _environment(self, request: Request) -> str:
        """Return the domain if the `env_name` in the path matches it. Raises RefusedError (404)."""
        domain = self._domain(request)
        if request.path_params["env_name"].lower() != domain.lower():
            raise RefusedError(404, "unknown_environment", f"the only environment here is {domain!r}")
        return domain

    async def _tasks(self, domain: str, split: str) -> list[dict[str, str]]:
        """Return the tasks of a split as options of a reset, in file order."""
        setting = await self.environments.setting(domain)
        selected = await self.environments.registry.workers.run(partial(setting.select, split=split))
        return [{"task_id": task.id, "split": split} for task in selected]
