"""A chat-completions endpoint on loopback that says what a script tells it: a model for tests that costs nothing.

    python scripted_endpoint.py SCRIPTS.json

`SCRIPTS.json` holds `{"agents": {MODEL: {MARK: SCRIPT}}, "users": [MODEL, …], "together": N}`. As one of `users` it is
the customer: a sentence first, then `###STOP###`. As an agent it plays the script whose mark stands in the system
message, or that under "": `{"calls": [{"name", "arguments"}, …], "say": TEXT}` becomes a message with the first call,
one with all the others, and then the text. No agent gets its first answer before `together` of them are waiting for
theirs, so rollouts that end were played at the same time. The first line printed is the address.
"""

from __future__ import annotations

import json
import socket
import sys
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

STOP = "###STOP###"
PATIENCE_SECONDS = 240.0


class Endpoint:
    """Answers by the messages of a request alone, except that first answers are held back until all have come."""

    def __init__(self, agents: dict[str, dict[str, dict[str, Any]]], users: list[str], together: int) -> None:
        self.agents = agents
        self.users = users
        self.together = together
        self.waiting: set[str] = set()
        self.all_here = anyio.Event()
        self.numbers = count(1)

    async def __call__(self, request: Request) -> Response:
        asked = await request.json()
        model, messages = asked["model"], asked["messages"]
        if model in self.users:
            return self.answer(model, {"content": self.as_user(messages)})
        if model not in self.agents:
            return JSONResponse({"error": {"message": f"no script for {model!r}", "type": "not_found"}}, 404)
        if not any(message["role"] == "tool" for message in messages) and not await self.gather(json.dumps(messages)):
            text = f"{len(self.waiting)} of {self.together} rollouts came within {PATIENCE_SECONDS:.0f} s"
            return JSONResponse({"error": {"message": text, "type": "invalid_request_error"}}, 422)
        return self.answer(model, self.as_agent(self.agents[model], messages))

    def as_user(self, messages: list[dict[str, Any]]) -> str:
        """Return the customer's words. Some clients show a customer its own words as another role's, so any count."""
        said = [message for message in messages if message["role"] != "system" and message.get("content")]
        return STOP if any(message["role"] == "assistant" for message in said) else "Please do what I need."

    def as_agent(self, scripts: dict[str, dict[str, Any]], messages: list[dict[str, Any]]) -> dict[str, Any]:
        system = messages[0]["content"]
        script = next((script for mark, script in scripts.items() if mark and mark in system), None) or scripts[""]
        turns = [script["calls"][:1], script["calls"][1:]]
        played = sum(bool(message.get("tool_calls")) for message in messages)
        calls = next((turn for turn in turns[played:] if turn), None)
        if calls is None:
            return {"content": script["say"]}
        functions = [{"name": call["name"], "arguments": json.dumps(call["arguments"])} for call in calls]
        return {
            "content": None,
            "tool_calls": [
                {"id": f"call_{next(self.numbers)}", "type": "function", "function": function} for function in functions
            ],
        }

    async def gather(self, opening: str) -> bool:
        """Wait until as many agents as should play together have asked; an opening that comes again is one."""
        self.waiting.add(opening)
        if len(self.waiting) >= self.together:
            self.all_here.set()
        with anyio.move_on_after(PATIENCE_SECONDS):
            await self.all_here.wait()
        return self.all_here.is_set()

    def answer(self, model: str, message: dict[str, Any]) -> Response:
        reason = "tool_calls" if message.get("tool_calls") else "stop"
        return JSONResponse(
            {
                "id": f"chatcmpl-{next(self.numbers)}",
                "object": "chat.completion",
                "created": 0,
                "model": model,
                "choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
            }
        )


def main(scripts: Path) -> None:
    """Serve on a free port until a signal comes."""
    listener = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}/v1\n")
    sys.stdout.flush()
    endpoint = Endpoint(**json.loads(scripts.read_text(encoding="utf-8")))
    app = Starlette(routes=[Route("/v1/chat/completions", endpoint.__call__, methods=["POST"])])
    uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[listener])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
