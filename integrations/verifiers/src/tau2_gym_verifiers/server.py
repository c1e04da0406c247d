"""A gym server started by an environment worker, which ends with it."""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tau2_core import RunError

SHOWN_CHARACTERS = 3000
PYTHON = (sys.executable, "-P", "-m")


@asynccontextmanager
async def own_server(options: Sequence[str]) -> AsyncIterator[str]:
    """Run `tau2-gym serve` on a free port of this machine within the block; yields its URL.

    `options` are those of `tau2-gym serve`. Raises RunError, with its output, if it does not start.
    """
    command = [*PYTHON, "tau2_core.runtime.end_with_parent", *PYTHON, "tau2_core", "serve", *options, "--port", "0"]
    with tempfile.TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=log)
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            first = (await process.stdout.readline()).decode()
            address = re.search(r"https?://[^\s;]+", first)
            if address is None:
                log.seek(0)
                said = log.read().decode(errors="replace")[-SHOWN_CHARACTERS:].strip()
                raise RunError(f"tau2-gym serve {' '.join(options)} did not start; its output:\n{said or first}")
            yield address[0]
        finally:
            process.stdin.close()  # closing its input ends the server
            await process.wait()
