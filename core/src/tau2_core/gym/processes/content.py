"""Checking that all processes of a server have loaded the same content, so that episodes of a run do not differ."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tau2_core.errors import RunError
from tau2_core.gym.hosted_episode import Blueprint
from tau2_core.gym.processes.messages import Where
from tau2_core.gym.server_settings import ServerSettings
from tau2_core.model.tasks import Task
from tau2_core.runs.digests import text_digest
from tau2_core.state.difference import path_text, value_changes

CONTENT = ("versions", "plugins", "evaluators", "digests")


def content_of_run(config: Mapping[str, Any]) -> bytes:
    """Return the parts of a configuration about packs, datasets, plugins and the core as JSON, without the tasks."""
    content = {name: config[name] for name in CONTENT}
    return json.dumps({**content, "digests": {**content["digests"], "tasks": None}}, sort_keys=True).encode()


def content_digest(content: bytes) -> str:
    """Return a digest of `content_of_run`."""
    return text_digest(content.decode())


def refuse_other_content(domain: str, front: bytes, worker: bytes) -> None:
    """Refuse a worker whose content differs from that of its front. Raises RunError."""
    difference = next(value_changes(json.loads(front), json.loads(worker)), None)
    if difference is not None:
        raise RunError(
            f"domain {domain!r} has changed since this server was started: {path_text(difference.path)} was "
            f"{difference.old!r} and is now {difference.new!r}; restore it, or start the server anew"
        )


def blueprint_at(settings: ServerSettings, where: Where, *, task: Task | None = None, seed: int = 0) -> Blueprint:
    """Return the blueprint of an episode that another process has described. Raises UsageError, PackError."""
    return settings.blueprint(
        where.domain,
        task=task,
        variant=where.variant,
        variant_options=json.loads(where.variant_options),
        solo=where.solo,
        seed=seed,
        dataset=where.dataset,
        user=where.user,
        mode=where.mode,
        conversation_tools=False,
    )
