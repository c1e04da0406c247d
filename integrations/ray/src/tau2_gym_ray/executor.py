"""The executor `ray`: each worker of a run is an actor of a Ray cluster."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # before Ray is imported

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayActorError, RayError, RayTaskError
from tau2_core import ExecutorOptions, Invitation, RunError, UsageError

CONNECT_SECONDS = 10.0


@asynccontextmanager
async def open_ray(options: ExecutorOptions) -> AsyncIterator[RayWorkers]:
    """Connect to a cluster, or start one on this machine; disconnect at the end.

    A program that has called `ray.init` itself keeps its connection. The default is a worker per CPU of the cluster.
    Raises UsageError for invalid options, RunError if the connection fails.
    """
    cpus = _cpus(options.options.get("cpus", "1"))
    joins = not ray.is_initialized()
    if joins:
        await asyncio.to_thread(_join, options.options.get("address"), _runtime_env(options.options))
    elif options.options.keys() & {"address", "runtime-env"}:
        raise UsageError("--executor-option: Ray is already initialized; omit address and runtime-env")
    try:
        total = ray.cluster_resources().get("CPU", 0.0)
        fitting = int(total / cpus) if cpus else int(total)
        if fitting < (options.workers or 1):
            has = f"the cluster has {total:g} CPUs, and each worker needs {cpus:g}"
            raise UsageError(f"--workers {options.workers or 1}: {has}")
        yield RayWorkers(options.workers or fitting, cpus)
    finally:
        if joins:
            await asyncio.to_thread(ray.shutdown)


def _join(address: str | None, runtime_env: Mapping[str, Any] | None) -> None:
    _refuse_silent(address or os.environ.get("RAY_ADDRESS", ""))
    try:
        ray.init(
            address=address,
            runtime_env=dict(runtime_env) if runtime_env else None,
            include_dashboard=False if address is None and not os.environ.get("RAY_ADDRESS") else None,
            log_to_driver=False,
            logging_level="error",
        )
    except (ConnectionError, ValueError, RuntimeError, RayError) as error:
        where = f"the Ray cluster at {address}" if address else "Ray"
        raise RunError(f"cannot use {where}: {error}") from error


def _refuse_silent(address: str) -> None:
    """Reject an address where nothing listens; Ray itself would wait for minutes. Raises RunError, UsageError."""
    if address.startswith("ray://"):
        raise UsageError(
            f"{address}: workers connect to the run, so start it on a machine of the cluster with address=auto"
        )
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal():
        return  # `auto`, `local`, or a value that Ray rejects
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise RunError(f"no Ray cluster answers at {address}: {error}") from error


def _runtime_env(options: Mapping[str, str]) -> dict[str, Any] | None:
    if "runtime-env" not in options:
        return None
    file = Path(options["runtime-env"])
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"--executor-option runtime-env={file}: cannot be read as JSON: {error}") from error
    if not isinstance(found, dict):
        raise UsageError(f"--executor-option runtime-env={file}: must be a JSON object")
    return found


def _cpus(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < float("inf"):
        raise UsageError(f"--executor-option cpus={text}: must be a number, 0 or more")
    return found


class _Actor:
    """A worker in a process of the cluster."""

    def run(self, invitation: str) -> None:
        """Play and grade until the run has no more slots."""
        from tau2_core import run_worker

        run_worker(Invitation.parse(invitation))


class RayWorkers:
    """Starts an actor for each worker, wherever the cluster has resources."""

    def __init__(self, workers: int, cpus: float) -> None:
        self.workers = workers
        self.host: str = ray.util.get_node_ip_address()
        # The run itself replaces workers that end, since it knows which episodes to play again.
        self._actor: Any = ray.remote(num_cpus=cpus, max_restarts=0, max_task_retries=0)(_Actor)

    async def start(self, invitation: Invitation) -> RayWorker:
        return RayWorker(await asyncio.to_thread(self._actor.remote), invitation)


class RayWorker:
    """A worker of the cluster."""

    def __init__(self, actor: ActorHandle[_Actor], invitation: Invitation) -> None:
        self._actor = actor
        self._end = actor.run.remote(invitation.text())

    async def wait(self) -> str:
        try:
            await self._end
        except RayTaskError as error:
            return f"it failed: {error.cause}"
        except RayActorError as error:
            return str(error).strip().splitlines()[0]
        except RayError as error:
            return str(error)
        return "it has left"

    def kill(self) -> None:
        ray.kill(self._actor)
