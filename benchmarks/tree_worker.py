"""Measure one source tree for `benchmarks.trees`: reads one request per line, answers with CPU seconds or counts.

It is run by its path, with the tree's packages first on PYTHONPATH.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType

import tau2_core
from tau2_core import evaluate, open_episode
from tau2_core.episode.environment import Environment
from tau2_core.model.messages import ToolCall
from tau2_core.runs.prepare import open_catalogue, prepare

DOMAIN = "retail"
CORE = str(Path(tau2_core.__file__).parent)
SETTING = prepare(open_catalogue(), DOMAIN)
TASKS = {task.id: task for task in SETTING.select()}
TASK = next(task for task in TASKS.values() if task.gold())


def call() -> None:
    """Make every gold call three times."""
    for _ in range(3):
        for task in TASKS.values():
            environment = Environment(SETTING)
            for action in task.gold():
                environment.call(ToolCall(name=action.name, arguments=action.arguments, requestor=action.requestor))


def episode() -> None:
    """Step an episode by hand and grade it, a hundred times."""
    with open_episode(DOMAIN, task=TASK.id) as played:
        for _ in range(100):
            for action in TASK.gold():
                played.call(action.name, **action.arguments)
            played.grade()
            played.reset()


def rollout() -> None:
    """Play and grade a run of two trials."""
    with tempfile.TemporaryDirectory() as folder:
        evaluate(DOMAIN, agent="oracle", trials=2, out=folder)


def load() -> None:
    """Load airline's pack, its database and its tasks."""
    setting = prepare(open_catalogue(), "airline")
    setting.bases()
    setting.tasks()


def entered_by_a_call() -> Counter[CodeType]:
    """Count the functions that a tool call enters, after a warm-up."""
    with open_episode(DOMAIN, task=TASK.id) as played:
        action = TASK.gold()[0]
        played.call(action.name, **action.arguments)
        with _counting() as entered:
            played.call(action.name, **action.arguments)
    return entered


def entered_in_the_environment() -> Counter[CodeType]:
    """Count the functions that a tool call enters in the environment."""
    environment, action = Environment(SETTING), TASK.gold()[0]
    made = ToolCall(name=action.name, arguments=action.arguments)
    environment.call(made)
    with _counting() as entered:
        environment.call(made)
    return entered


def entered_by_a_verdict() -> Counter[CodeType]:
    """Count the functions that grading an episode enters."""
    with open_episode(DOMAIN, task=TASK.id) as played:
        for action in TASK.gold():
            played.call(action.name, **action.arguments)
        with _counting() as entered:
            played.grade()
    return entered


def entered_by_a_run() -> Counter[CodeType]:
    """Count the functions that a run of one task enters, from its files to its records."""
    with tempfile.TemporaryDirectory() as folder, _counting() as entered:
        evaluate(DOMAIN, agent="oracle", tasks=[TASK.id], out=folder)
    return entered


@contextmanager
def _counting() -> Iterator[Counter[CodeType]]:
    entered: Counter[CodeType] = Counter()

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(CORE):
            entered[frame.f_code] += 1

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield entered
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def opened_by_a_run() -> dict[str, int]:
    """Count the pack's files that a run of one task opens: files, openings in total, and the most of one file."""
    opened: Counter[str] = Counter()
    folder = str(SETTING.pack.folder)

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and str(arguments[0]).startswith(folder) and not str(arguments[0]).endswith(".pyc"):
            opened[str(arguments[0])] += 1

    sys.addaudithook(note)
    entered_by_a_run()
    return {"files": len(opened), "opened": opened.total(), "most": max(opened.values())}


WORK: dict[str, Callable[[], None]] = {"load": load, "call": call, "episode": episode, "rollout": rollout}
WALKS: dict[str, Callable[[], Counter[CodeType]]] = {
    "a tool call": entered_by_a_call,
    "its part in the environment": entered_in_the_environment,
    "a verdict": entered_by_a_verdict,
    "a run of one task": entered_by_a_run,
}


def _answer(what: str) -> dict[str, float]:
    if what in WORK:
        started = time.process_time()
        WORK[what]()
        return {"seconds": time.process_time() - started}
    if what in WALKS:
        entered = WALKS[what]()
        return {
            "entries": entered.total(),
            "functions": len(entered),
            "files": len({code.co_filename for code in entered}),
        }
    return dict(opened_by_a_run())


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(_answer(line.strip())), flush=True)
