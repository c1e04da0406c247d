"""Checking again whenever a file of a pack changes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tau2_core.cli.safe_text import say
from tau2_core.errors import MissingExtraError

FIRST_MILLISECONDS = 100


def watch_folders(folders: Sequence[Path], arguments: Sequence[str]) -> None:
    """Run one of our commands now and after every change in the folders, in a new process each time; Ctrl-C ends it."""
    try:
        from watchfiles import watch
    except ModuleNotFoundError as error:
        raise MissingExtraError("--watch", "watchfiles", "new") from error
    started = False
    # The first run happens without a change, once the folders are watched, so that no change is missed.
    for changes in watch(*folders, yield_on_timeout=True, rust_timeout=FIRST_MILLISECONDS):
        if changes or not started:
            started = True
            subprocess.run([sys.executable, "-P", "-m", "tau2_core", *arguments], check=False)  # noqa: S603 - our own
            say(f"watching {', '.join(map(str, folders))}; Ctrl-C ends")
