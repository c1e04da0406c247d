"""Claiming and playing the slots of a served run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from tests.gym.conftest import World

if TYPE_CHECKING:
    from tests.gym.conftest import Server

NEW_TASK = {"user_id": "piet_lindgren", "title": "Tune the piano"}


def claim(server: Server) -> World:
    response = server.http.post("/v1/slots")
    assert response.status_code == 201, response.text
    return World(server, response.json())


def refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def play(world: World) -> None:
    """Play `create_plain` to its end."""
    world.value("create_task", NEW_TASK)
    world.say("What is it called?")
    assert world.say("It is on his list now.").json()["status"] == "ended"


def progress(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = server.http.get("/v1/slots").raise_for_status().json()
    return found


def folder(server: Server) -> Path:
    return server.folder / "runs/r"


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
