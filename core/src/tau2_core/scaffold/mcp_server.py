"""Tools from the `tools/list` of a running MCP server, over HTTP or stdio, in either era of the protocol."""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import Tool

from tau2_core.errors import UsageError
from tau2_core.foreign_code import describe_error
from tau2_core.gym.client import http_client
from tau2_core.model.tools import Kind
from tau2_core.packs.schema_references import References, merged_object
from tau2_core.scaffold.imported_tools import Imported, ImportedTool, tool_name

MAX_TOOLS = 5000
GROUP = "server"


def read_mcp(target: str, seconds: float) -> Imported:
    """Read the tools of a server from its address or start command. Raises UsageError, also after the time limit."""
    log, quiet = logging.getLogger("mcp"), logging.NullHandler()
    log.addHandler(quiet)  # the error contains what the library logs about a bad answer
    try:
        tools = asyncio.run(_listed(target, seconds))
    except UsageError:
        raise
    except TimeoutError as error:
        what = f"it did not list its tools within {seconds:g} seconds"
        raise UsageError(f"--from-mcp {target}: {what}; check that it starts, or give a longer --timeout") from error
    except BaseExceptionGroup as error:
        first = _innermost(error)
        if not isinstance(first, Exception):
            raise
        raise UsageError(f"--from-mcp {target}: {describe_error(first)}") from error
    except Exception as error:
        raise UsageError(f"--from-mcp {target}: {describe_error(error)}") from error
    finally:
        log.removeHandler(quiet)
    return _imported(target, tools)


def _innermost(error: BaseException) -> BaseException:
    return _innermost(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


async def _listed(target: str, seconds: float) -> list[Tool]:
    with anyio.fail_after(seconds):
        async with AsyncExitStack() as stack:
            if target.startswith(("http://", "https://")):
                http = await stack.enter_async_context(http_client(target, seconds))
                client = Client(streamable_http_client(target, http_client=http))
            else:
                command, *arguments = _words(target)
                own_errors = stack.enter_context(Path(os.devnull).open("w"))  # noqa: SIM115 - the stack closes it
                client = Client(stdio_client(StdioServerParameters(command=command, args=arguments), own_errors))
            connected = await stack.enter_async_context(client)
            tools: list[Tool] = []
            cursor: str | None = None
            while True:
                page = await connected.list_tools(cursor=cursor)
                tools += page.tools
                if page.next_cursor is None or page.next_cursor == cursor:
                    return tools
                if len(tools) > MAX_TOOLS:
                    raise UsageError(f"--from-mcp {target}: it lists more than {MAX_TOOLS} tools, page after page")
                cursor = page.next_cursor


def _words(target: str) -> list[str]:
    try:
        words = shlex.split(target)
    except ValueError as error:
        raise UsageError(f"--from-mcp {target}: {error}") from error
    if not words:
        raise UsageError("--from-mcp: name a server's address, or the command that starts it")
    return words


def _imported(target: str, tools: list[Tool]) -> Imported:
    found = Imported(target)
    named: dict[str, ImportedTool] = {}
    for tool in tools:
        schema = tool.input_schema
        if schema.get("type") != "object":
            found.leave_out("tools whose arguments are not an object", tool.name)
            continue
        free = tool_name(tool.name, named)
        if free != tool.name:
            found.guess("names that are taken, or that providers do not accept", f"{tool.name} is {free}")
        description = (tool.description or tool.title or "").strip()
        if not description:
            found.guess("missing descriptions of tools", tool.name)
        named[free] = ImportedTool(
            free, GROUP, description or f"{tool.name}.", _kind(tool, found), _parameters(tool.name, schema, found)
        )
    if not named:
        raise UsageError(f"--from-mcp {target}: none of its tools can be imported")
    found.tools = list(named.values())
    return found


def _kind(tool: Tool, found: Imported) -> Kind:
    hints = tool.annotations
    if hints is None or hints.read_only_hint is None:
        found.guess("`write` for tools that do not say whether they only read", tool.name)
        return "write"
    return "read" if hints.read_only_hint else "write"


def _parameters(name: str, schema: Mapping[str, Any], found: Imported) -> dict[str, Mapping[str, Any]]:
    references = References(schema)
    written = references.written_out(schema)
    for reason, reference in references.cut:
        found.leave_out(reason, f"{reference} ({name})")
    merged = merged_object(written) or {"properties": {}, "required": []}
    parameters: dict[str, Mapping[str, Any]] = {}
    for parameter, each in merged["properties"].items():
        free = tool_name(str(parameter), parameters)
        if free != parameter:
            found.guess("names of parameters", f"{parameter} is {free} ({name})")
        parameters[free] = each if parameter in merged["required"] else {**each, "optional": True}
    return parameters
