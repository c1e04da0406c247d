"""The answer of `/` and `/docs`: what this server is and where its planes are, for people and programs."""

from __future__ import annotations

from html import escape
from importlib.metadata import version
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

ROUTES = {
    "POST /v1/episodes": "create an episode; the answer has the URLs for its agent and its customer",
    "POST /v1/slots": "claim the next episode of the run that this server was started for",
    "GET /v1/slots": "show the progress of that run",
    "GET /v1/episodes/{id}": "show an episode; also /reward, /record, POST /reset, and DELETE to end it",
    "GET /v1/domains": "list the domains that can be played",
    "GET /v1/domains/{domain}/tasks": "list a domain's tasks",
    "/episodes/{key}/mcp": "an agent's tools and policy, over MCP; the URL is returned with an episode",
    "/episodes/{key}/conversation": "GET what the customer has said, POST what the agent says",
    "/mcp": "for clients of eval-protocol's MCP gym: a world for each session",
    "/openenv/{domain}": "for OpenEnv's clients: the domain as an environment, with WebSockets, requests and tasks",
    "POST /seed_session": "for NeMo Gym's agents, with /verify, /close_session and a route for each tool",
    "GET /openapi.json": "the control plane's OpenAPI document",
    "GET /healthz": "whether the server is up",
    "GET /metrics": "figures for Prometheus",
}
WHAT = "A gym for AI agents that serve customers: private environments over MCP, with a simulated customer, graded."
HOW = (
    "Create an episode on the control plane, give its agent mcp_url and conversation_url, and read its reward when it "
    "has ended. Requests of the control plane may need the token that the server was started with or has printed, as "
    "Authorization: Bearer TOKEN."
)


async def front_page(request: Request) -> Response:
    """Answer in HTML if the client accepts it, else in JSON. Reveals nothing about episodes."""
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(_page())
    return JSONResponse(_content())


def _content() -> dict[str, Any]:
    return {"name": "tau2-gym", "version": version("tau2-core"), "what": WHAT, "how": HOW, "routes": ROUTES}


def _page() -> str:
    cells = [f"<td><code>{escape(route)}</code></td><td>{escape(what)}</td>" for route, what in ROUTES.items()]
    rows = "\n".join(f"<tr>{cell}</tr>" for cell in cells)
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>tau2-gym</title></head>
<body>
<h1>tau2-gym {escape(version("tau2-core"))}</h1>
<p>{escape(WHAT)}</p>
<p>{escape(HOW)}</p>
<table>
{rows}
</table>
</body>
</html>
"""
