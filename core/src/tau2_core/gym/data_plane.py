"""The data plane: one MCP server for all episodes; the URL of a request determines its episode and side."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from opentelemetry import trace

from tau2_core.gym.conversation_tools import NAMES, TOOLS, converse, offered
from tau2_core.gym.hosted_episode import HostedEpisode
from tau2_core.gym.registry import Registry
from tau2_core.gym.trace_context import trace_context_of
from tau2_core.model.tools import Role, Tool, ToolResult

FAILURE_KEY = "tau2-gym/failure"
REFUSED_KEY = "tau2-gym/refused"
SIDE = "tau2_gym_side"
INSTRUCTIONS = (
    "You act for one side of a conversation between a company's service agent and a customer. As the agent, read the "
    "policy first (the prompt `policy`, or the resource tau2://policy) and follow it; use the tools to look things up "
    "and to change them, one call at a time. Tool calls are not seen by the customer. What you want to tell the "
    "customer goes through the program that runs you, or to the `conversation` URL next to this one "
    '(POST {"content": …}; GET reads what the customer has said). In solo play the prompt `ticket` holds the work to '
    "do, and `done` ends it."
)

HostedSide = tuple[HostedEpisode, Role]
McpContext = ServerRequestContext[Any, Any]


def side_of_request(context: McpContext) -> HostedSide:
    """Return the side of the HTTP request's URL, which the router has put into the scope."""
    assert context.request is not None
    side: HostedSide = context.request.scope[SIDE]
    return side


@lru_cache(maxsize=1024)
def as_mcp_tool(tool: Tool) -> types.Tool:
    """Return a tool in MCP's format."""
    return types.Tool.model_validate(tool.mcp_tool())


def as_mcp_result(result: ToolResult, max_chars: int) -> dict[str, Any]:
    """Return a result in MCP's format: one text, and in `_meta` the kind of failure, or that the business declined.

    It is plain JSON, since the SDK would convert its own model back; the SDK validates it in any case.
    """
    text = bounded_text(result.content, max_chars)
    failed = result.failure is not None or text is not result.content
    answer: dict[str, Any] = {
        "content": [{"type": "text", "text": text}],
        "isError": failed,
        "resultType": "complete",
    }
    if result.failure is not None:
        answer["_meta"] = {FAILURE_KEY: result.failure.value}
    elif result.refused:
        answer["_meta"] = {REFUSED_KEY: True}
    return answer


def bounded_text(text: str, max_chars: int) -> str:
    """Return a result's text, or an error about its length if it is too long to send."""
    if len(text) <= max_chars:
        return text
    return f"Error: the call was made, but its result has {len(text)} characters, and this server sends {max_chars}"


def offered_tools(episode: HostedEpisode, role: Role) -> Sequence[Tool]:
    """Return what a side may call: its tools, and those of the conversation where they are offered."""
    return [*episode.tools(role), *(TOOLS if offered(episode.blueprint, role) else ())]


async def carry_out(
    registry: Registry, episode: HostedEpisode, role: Role, name: str, arguments: dict[str, Any]
) -> ToolResult:
    """Execute a call of an offered tool. It runs to its end even if the client disconnects."""
    if name in NAMES and offered(episode.blueprint, role):
        return await registry.use(episode, converse(episode, name, arguments))
    return await call_counted(registry, episode, role, name, arguments)


async def call_counted(
    registry: Registry, episode: HostedEpisode, role: Role, name: str, arguments: dict[str, Any]
) -> ToolResult:
    """Call a tool and count the call. It runs to its end even if the client disconnects."""
    started = time.perf_counter()
    at_once = episode.answers_at_once(arguments)
    result = await registry.use(episode, episode.call(role, name, arguments), at_once=at_once)
    failure = result.failure.value if result.failure else None
    registry.metrics.called(episode.blueprint.setting.domain, time.perf_counter() - started, failure)
    return result


class _EpisodeServer(Server[Any]):
    """A server whose tools may change during an episode, unlike its prompts and resources."""

    def get_capabilities(self, *args: Any, **options: Any) -> types.ServerCapabilities:
        """Return what the server can do. The SDK cannot tell which of its lists change."""
        found = super().get_capabilities(*args, **options)
        assert found.tools is not None
        assert found.prompts is not None
        assert found.resources is not None
        found.tools.list_changed = True
        found.prompts.list_changed = found.resources.list_changed = found.resources.subscribe = False
        return found


def build_server(
    registry: Registry, side_of: Callable[[McpContext], HostedSide] = side_of_request, *, max_result_chars: int
) -> Server[Any]:
    """Return the MCP server of the data plane."""

    async def list_tools(context: McpContext, _params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        episode, role = side_of(context)
        registry.tool_lists.add(episode, role, context)
        return types.ListToolsResult(tools=[as_mcp_tool(tool) for tool in offered_tools(episode, role)])

    async def call_tool(context: McpContext, params: types.CallToolRequestParams) -> dict[str, Any]:
        episode, role = side_of(context)
        registry.tool_lists.add(episode, role, context)
        arguments = params.arguments or {}
        if episode.episode.watch is None or traced():  # in a traced server, the SDK does this
            result = await carry_out(registry, episode, role, params.name, arguments)
        else:
            with trace_context_of(context.meta, context.request.headers if context.request else {}):
                result = await carry_out(registry, episode, role, params.name, arguments)
        return as_mcp_result(result, max_result_chars)

    async def listen(
        context: McpContext, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        return await registry.tool_lists.listen(*side_of(context), context, params)

    async def list_prompts(
        context: McpContext, _params: types.PaginatedRequestParams | None
    ) -> types.ListPromptsResult:
        return types.ListPromptsResult(
            prompts=[types.Prompt(name=name, description=text[0]) for name, text in _texts(side_of(context)).items()]
        )

    async def get_prompt(context: McpContext, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        description, text = _text(side_of(context), params.name)
        message = types.PromptMessage(role="user", content=types.TextContent(text=text))
        return types.GetPromptResult(description=description, messages=[message])

    async def list_resources(
        context: McpContext, _params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        return types.ListResourcesResult(
            resources=[
                types.Resource(uri=f"tau2://{name}", name=name, description=text[0], mime_type="text/markdown")
                for name, text in _texts(side_of(context)).items()
            ]
        )

    async def list_resource_templates(
        _context: McpContext, _params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(
            resource_templates=[]
        )  # clients request them, and treat an error as a fault

    async def read_resource(context: McpContext, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        uri = str(params.uri)
        _, text = _text(side_of(context), uri.removeprefix("tau2://").rstrip("/"), {"uri": uri})
        return types.ReadResourceResult(
            contents=[types.TextResourceContents(uri=uri, text=text, mime_type="text/markdown")]
        )

    server = _EpisodeServer(
        "tau2-gym",
        version=version("tau2-core"),
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_list_prompts=list_prompts,
        on_get_prompt=get_prompt,
        on_list_resources=list_resources,
        on_list_resource_templates=list_resource_templates,
        on_read_resource=read_resource,
        on_subscriptions_listen=listen,
    )
    # No parameter is sent in a header, so there is nothing to look up. mcp 2.0 does not accept this as an argument.
    server.get_tool_input_schema = lambda _name: None
    server.add_request_handler("tools/call", types.CallToolRequestParams, call_tool)
    if not traced():
        server.middleware.clear()
    return server


def traced() -> bool:
    """Tell whether OpenTelemetry spans are collected; the SDK creates one for every message, which takes time."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def _texts(side: HostedSide) -> dict[str, tuple[str, str]]:
    """Return the texts that a side may read, by name: (description, text). The customer's side gets no policy."""
    episode, role = side
    setting = episode.blueprint.setting
    texts = {"domain": ("What this domain is", setting.pack.manifest.description)}
    if role == "agent":
        texts["policy"] = ("The policy that the agent must follow", setting.policy_for(episode.blueprint.task))
        if setting.solo:
            texts["ticket"] = ("The ticket to work on", episode.blueprint.task.ticket or "")
    return texts


def _text(side: HostedSide, name: str, details: dict[str, str] | None = None) -> tuple[str, str]:
    texts = _texts(side)
    if name not in texts:
        raise MCPError(types.INVALID_PARAMS, f"there is no {name!r}; available: {', '.join(texts)}", details)
    return texts[name]
