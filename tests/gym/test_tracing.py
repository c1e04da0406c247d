"""An OpenTelemetry collector gets one span for every message that a client sends."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

LAUNCHER = """
import sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from tau2_core.cli.app import main

class Names(SpanExporter):
    def export(self, spans):
        with open("spans.txt", "a", encoding="utf-8") as out:
            out.writelines(f"{span.name}\\n" for span in spans)
        return SpanExportResult.SUCCESS

provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(Names()))
trace.set_tracer_provider(provider)
sys.argv = ["tau2-gym", "serve", "mock", "--transport", "stdio"]
main()
"""


@pytest.mark.domain("mock")
def test_spans_of_a_session(tmp_path: Path) -> None:
    launched = StdioServerParameters(command=sys.executable, args=["-c", LAUNCHER], cwd=tmp_path)

    async def ask() -> None:
        async with Client(stdio_client(launched)) as client:
            await client.list_tools()
            await client.call_tool("get_users", {})

    asyncio.run(ask())
    spans = (tmp_path / "spans.txt").read_text(encoding="utf-8").splitlines()
    assert {"tools/list", "tools/call get_users"} <= set(spans)
