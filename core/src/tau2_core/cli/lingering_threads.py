"""Threads that plugins leave running; a finished command does not wait for them forever."""

from __future__ import annotations

import os
import threading
import time

from tau2_core.cli.safe_text import say

SECONDS = 5.0  # for threads to end by themselves, such as those of a pool


def leave_threads_behind(code: int | str | None) -> None:
    """End the process after a while with this exit code, even if Python is still waiting for threads."""
    if _others():
        threading.Thread(target=_end_in_time, args=(code,), daemon=True).start()


def _others() -> list[str]:
    here = threading.current_thread()
    return [each.name for each in threading.enumerate() if not each.daemon and each is not here]


def _end_in_time(code: int | str | None) -> None:
    main = threading.main_thread().name
    time.sleep(SECONDS)
    names = ", ".join(name for name in _others() if name != main)
    say(f"the command is done; threads that a plugin started are still running: {names}", err=True)
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)
