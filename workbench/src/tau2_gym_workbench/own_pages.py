"""Panels and a page of our own, as a plugin would add them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tau2_core import RunEpisode
from tau2_core.runs.loading import open_catalogue


def judge(episode: RunEpisode) -> dict[str, Any] | None:
    """Return what the judge said, None where none was asked."""
    return {"judgement": episode.judgement} if episode.judgement else None


def usage(episode: RunEpisode) -> dict[str, Any] | None:
    """Return what the models of an episode used, None where no model took part."""
    used = dict(episode.record.usage)
    if episode.judgement and episode.judgement.usage.requests:
        used["judge"] = episode.judgement.usage
    return {"used": used} if used else None


def plugins(_folder: Path) -> dict[str, Any]:
    """Return what is installed: who brings what, and what is broken and why."""
    return {"plugins": open_catalogue().plugins}
