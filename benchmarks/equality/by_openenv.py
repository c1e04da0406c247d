"""Episodes with OpenEnv's own client, in a separate environment."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tau2_core import EpisodeRecord

from benchmarks.equality.played import Done, GymServer, Interface, Played, done

PACKAGE = "openenv==0.10.0"
CLIENT = Path(__file__).with_name("openenv_client.py")


def by_openenv(python: Path) -> Interface:
    """Return the interface that plays episodes over a WebSocket with the client of an interpreter."""

    def play(domain: str, played: Sequence[Played], gym_server: GymServer) -> list[Done]:
        plan = [{"task_id": each.record.task_id, "seed": each.record.seed, "actions": each.actions} for each in played]
        told = json.dumps({"address": gym_server.address, "domain": domain, "episodes": plan})
        ended = subprocess.run([str(python), str(CLIENT)], input=told, stdout=subprocess.PIPE, text=True, check=True)
        return [done(each["reward"], EpisodeRecord.model_validate(each["record"])) for each in json.loads(ended.stdout)]

    return play
