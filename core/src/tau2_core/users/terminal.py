"""Input and output for a person at the terminal: messages, and calls as `/name {"argument": "value"}`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tau2_core.model.messages import Message, ToolMessage
from tau2_core.model.tools import Tool
from tau2_core.terminal_text import printable

HOW_TO_CALL = 'a tool is called with /name {"argument": "value"}'


@dataclass(frozen=True, slots=True)
class TypedText:
    """A person's message to the other side."""

    text: str


@dataclass(frozen=True, slots=True)
class TypedCall:
    """A person's tool call."""

    name: str
    arguments: dict[str, Any]


def show(text: str) -> None:
    """Print a line to standard error, since standard output is for results."""
    sys.stderr.write(f"{printable(text)}\n")
    sys.stderr.flush()


def show_tools(tools: Sequence[Tool]) -> None:
    """List the person's tools."""
    for tool in tools:
        show(f"  /{tool.name} ({', '.join(tool.parameters.get('properties', {}))}): {tool.description}")


def show_last(history: Sequence[Message], other: str) -> None:
    """Show the last message to the person."""
    if history:
        last = history[-1]
        show(f"{'tool' if isinstance(last, ToolMessage) else other}: {last.content}")


async def ask(prompt: str) -> TypedText | TypedCall:
    """Return the person's input. Raises KeyboardInterrupt at end of file, which ends the run."""
    while True:
        line = await _ask_line(prompt)
        if not line.startswith("/"):
            return TypedText(line)
        name, _, text = line[1:].partition(" ")
        try:
            arguments = json.loads(text or "{}")
        except ValueError as error:
            show(f"the arguments are not JSON: {error}")
            continue
        if isinstance(arguments, dict):
            return TypedCall(name, arguments)
        show("the arguments should be a JSON object")


async def _ask_line(prompt: str) -> str:
    while True:
        sys.stderr.write(prompt)
        sys.stderr.flush()
        line = await _line()
        if not line:
            show("")
            raise KeyboardInterrupt
        if line.strip():
            return line.strip()


async def _line() -> str:
    """Read a line byte by byte, so that nothing is lost, in a thread that does not block an interrupted run."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()

    def settle(text: str) -> None:
        if not answer.done():
            answer.set_result(text)

    def read() -> None:
        typed = bytearray()
        while not typed.endswith(b"\n") and (byte := os.read(0, 1)):
            typed += byte
        with suppress(RuntimeError):  # the run is over
            loop.call_soon_threadsafe(settle, typed.decode("utf-8", "replace"))

    threading.Thread(target=read, name="terminal", daemon=True).start()
    return await answer
