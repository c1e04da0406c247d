"""`python -m tau2_core.worker`: a worker of a run, started by an executor, with an invitation on standard input.

`python -m tau2_core.worker gym HANDLE` is a worker of a server, whose front is at the other end of that socket.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from tau2_core.errors import Tau2GymError
from tau2_core.model.executors import Invitation
from tau2_core.runs.executors.worker import run_worker
from tau2_core.runtime.garbage_collection import collect_rarely


def main() -> None:
    """Read the invitation from the first line of standard input; end when standard input is closed."""
    collect_rarely()
    signal.signal(signal.SIGINT, _leave_to_the_run)
    handle = int(sys.argv[2]) if sys.argv[1:2] == ["gym"] else None
    text = sys.stdin.readline() if handle is None else ""
    threading.Thread(target=_end_with, args=(os.dup(0),), daemon=True).start()
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)  # handlers see an empty standard input
    try:
        if handle is None:
            run_worker(Invitation.parse(text))
        else:
            from tau2_core.gym.processes.worker import serve_worker

            serve_worker(handle)
    except Tau2GymError as error:
        sys.exit(f"error: {error}")


def _leave_to_the_run(_signal: int, _frame: Any) -> None:
    """Ignore Ctrl-C, which a terminal also sends to the run; unlike an ignored signal, this is not inherited."""


def _end_with(handle: int) -> None:
    """End the process at once, whatever it is doing, when its standard input is closed: its run is gone."""
    while os.read(handle, 1024):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
