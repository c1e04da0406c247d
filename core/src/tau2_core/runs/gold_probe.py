"""A separate process that plays tasks and records the result of each call: `python -m tau2_core.runs.gold_probe`.

Standard input is the request as JSON: the domain, its toolsets, the tasks, and the file to write.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from tau2_core.agents.random_calls import RandomCalls
from tau2_core.episode.limits import Limits
from tau2_core.episode.participants import Participants
from tau2_core.episode.play import play
from tau2_core.episode.setting import Setting
from tau2_core.episode.setup import new_environment
from tau2_core.errors import Tau2GymError
from tau2_core.model.episodes import Slot
from tau2_core.model.lazy import Lazy
from tau2_core.model.messages import ToolCall
from tau2_core.model.registrations import AgentSpec, Domain, RetrieverSpec, SearchParts, Toolset, UserSpec
from tau2_core.model.tasks import Task
from tau2_core.packs.load import open_pack
from tau2_core.packs.pack import Pack
from tau2_core.runs.code_files import CORE
from tau2_core.runs.digests import pack_files
from tau2_core.runs.plan import DEFAULT_SEED
from tau2_core.users.scripted import Scripted

RANDOM_TASKS = 3
RANDOM_STEPS = 40
Step = tuple[str, str, str]  # requestor, tool, result; the first two are "" for the databases


def main() -> None:
    request = json.load(sys.stdin)
    opened: dict[str, None] = {}
    sys.addaudithook(partial(_note_opened, opened))
    domain = Domain(**{**request["domain"], "folder": _path(request["domain"]["folder"])})
    toolsets = [Toolset(**each) for each in request["toolsets"]]
    specs = [RetrieverSpec(**{**each, "create": Lazy(each["create"])}) for each in request["retrievers"]]
    setting = Setting(open_pack(domain, toolsets, SearchParts({spec.name: spec for spec in specs})))
    # The hashes of what a wrapped domain has read so far are part of the digest.
    expected = frozenset(opened if setting.pack.wrapped else ())
    tasks = {task_id: setting.tasks()[task_id] for task_id in request["tasks"]}
    found = {task_id: _gold(setting, task) for task_id, task in tasks.items()}
    for task in list(tasks.values())[:RANDOM_TASKS]:
        found[f"{task.id} (random calls)"] = asyncio.run(_random(setting, task))
    again = {task_id: _gold(setting, task) for task_id, task in tasks.items()} if setting.pack.wrapped else {}
    outside = _outside([file for file in opened if file not in expected], setting.pack)
    answer = {"steps": found, "again": again, "outside": list(outside)}
    Path(request["answer"]).write_text(json.dumps(answer), encoding="utf-8")


def _note_opened(opened: dict[str, None], event: str, details: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(details[0], str | PathLike) and "r" in (details[1] or "r"):
        opened[str(details[0])] = None


def _outside(opened: Iterable[str], pack: Pack) -> Iterator[str]:
    """Yield the files that were read but do not belong to the pack, Python, its libraries or the system."""
    known = {file.resolve() for file in pack_files(pack).files.values()}
    homes = [Path(each).resolve() for each in (sys.prefix, sys.base_prefix, __file__.rpartition(CORE)[0] + CORE)]
    homes += [Path(each) for each in ("/proc", "/dev", "/sys", "/etc", "/usr")]
    ignored = {Path(each).resolve() for each in sys.path}
    for name in opened:
        file = Path(name).resolve()
        ours = file in known or file in ignored or file.suffix in (".py", ".pyc")
        if file.is_file() and not ours and not any(file.is_relative_to(home) for home in homes):
            yield str(file)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _gold(setting: Setting, task: Task) -> list[Step]:
    environment = new_environment(setting, task, DEFAULT_SEED)
    steps: list[Step] = [("", "", str(environment.digests()))]
    for action in task.gold():
        called = ToolCall(name=action.name, arguments=action.arguments, requestor=action.requestor)
        result = environment.call(called)
        steps.append((action.requestor, action.name, result.content))
    return [*steps, ("", "", str(environment.digests()))]


async def _random(setting: Setting, task: Task) -> list[Step]:
    """Call tools with random arguments that fit their schemas, including tools that no task needs."""
    agent = AgentSpec("random", "", RandomCalls)
    participants = Participants(
        agent, UserSpec("scripted", "", Scripted, sees_gold=True), Limits(max_steps=RANDOM_STEPS)
    )
    try:
        record = await play(setting, task, participants, Slot(task.id, 0), DEFAULT_SEED)
    except Tau2GymError as error:
        return [("", "", str(error))]
    names: dict[str, tuple[str, str]] = {}
    steps: list[Step] = []
    for message in record.messages:
        for call in getattr(message, "tool_calls", None) or []:
            names[call.id] = (call.requestor, call.name)
        if message.role == "tool":
            steps.append((*names.get(getattr(message, "id", ""), ("", "")), message.content or ""))
    return [*steps, ("", "", str(record.digests))]


@dataclass(frozen=True)
class ProbeResult:
    """The result of such a process: the steps of each task, and files that were read outside the pack.

    `again` are the steps of a second run of a wrapped domain's tasks, since its code may keep state.
    """

    steps: dict[str, list[Step]]
    again: dict[str, list[Step]]
    outside: list[str]


def read_probe_result(file: Path) -> ProbeResult:
    """Read a result. Raises OSError, ValueError."""
    return ProbeResult(**json.loads(file.read_bytes()))


if __name__ == "__main__":
    main()
