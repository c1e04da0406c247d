"""The built-in panels and page, added the same way as those of plugins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tau2_core import RunEpisode
from tau2_core.runs.loading import open_catalogue


def judge(episode: RunEpisode) -> dict[str, Any] | None:
    """Return the judge's answers, or None if no judge was asked."""
    return {"judgement": episode.judgement} if episode.judgement else None


def usage(episode: RunEpisode) -> dict[str, Any] | None:
    """Return the usage of an episode's models, or None if no model took part."""
    used = dict(episode.record.usage)
    if episode.judgement and episode.judgement.usage.requests:
        used["judge"] = episode.judgement.usage
    return {"used": used} if used else None


def plugins(_folder: Path) -> dict[str, Any]:
    """Return the installed plugins: what each provides, and which are broken and why."""
    return {"plugins": open_catalogue().plugins}
