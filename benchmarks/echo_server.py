"""A bare SDK server to compare with, which lists retail's tools and echoes: `python -m benchmarks.echo_server PORT`."""

from __future__ import annotations

import sys
from typing import Any

import mcp_types as types
import uvicorn
from mcp.server.lowlevel import Server
from tau2_core.gym.data_plane import as_mcp_tool
from tau2_core.runs.loading import load_setting, open_catalogue

TOOLS = [as_mcp_tool(tool) for tool in load_setting(open_catalogue(), "retail").tools("agent").values()]


async def _list_tools(_context: Any, _params: Any) -> types.ListToolsResult:
    return types.ListToolsResult(tools=TOOLS)


async def _call_tool(_context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
    text = str((params.arguments or {}).get("text", ""))
    return types.CallToolResult(content=[types.TextContent(text=text)])


if __name__ == "__main__":
    app = Server("echo", on_list_tools=_list_tools, on_call_tool=_call_tool).streamable_http_app(json_response=True)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
