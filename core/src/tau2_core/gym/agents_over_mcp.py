"""Runs whose agent calls the tools itself over MCP: a server on loopback gives each episode its own URL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from tau2_core.episode.episode import Episode
from tau2_core.episode.participants import Participants
from tau2_core.episode.play import OpenEpisode
from tau2_core.episode.setting import Setting
from tau2_core.gym.hosted_episode import Blueprint
from tau2_core.gym.registry import Registry
from tau2_core.gym.run_over_mcp import server_of
from tau2_core.model.episodes import Slot
from tau2_core.model.tasks import Task
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.runs.plan import Plan


@asynccontextmanager
async def served_to_agents(plan: Plan, catalogue: Catalogue) -> AsyncIterator[OpenEpisode]:
    """Serve each episode's tools to its agent while the run lasts."""
    async with server_of(plan, catalogue) as (registry, address):
        yield partial(_served, registry, address)


@asynccontextmanager
async def _served(
    registry: Registry, address: str, setting: Setting, task: Task, participants: Participants, slot: Slot, seed: int
) -> AsyncIterator[Episode]:
    blueprint = Blueprint(setting, task, participants, seed, slot=slot, address=address)
    hosted = registry.build(blueprint)  # not in a thread, since agents are created on the event loop
    hosted.trial = slot.trial
    hosted.kept = True  # the run keeps the record
    await registry.add(hosted)
    try:
        yield hosted.episode
    finally:
        registry.forget(hosted)
