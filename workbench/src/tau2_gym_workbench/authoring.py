"""A task made of what was just played: the calls are its gold, the scenario is typed in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from tau2_core.errors import UsageError
from tau2_core.model.episodes import EpisodeRecord
from tau2_core.model.messages import UserMessage
from tau2_core.model.paired_calls import paired_calls
from tau2_core.model.tools import Tool

OUTCOMES = ("done", "refused", "transferred")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


def task_content(
    record: EpisodeRecord, tools: Mapping[str, Tool], form: Mapping[str, str], initial_state: Any = None
) -> dict[str, Any]:
    """Return a task as its YAML holds it: the calls that succeeded and change something, or all with `reads`.

    Raises UsageError for an id that is no name, or a scenario that is missing.
    """
    task_id, scenario = form.get("id", "").strip(), form.get("scenario", "").strip()
    if not _NAME.fullmatch(task_id):
        raise UsageError(f"id: give the task a name of letters, digits, dashes and underscores, not {task_id!r}")
    if not scenario:
        raise UsageError("scenario: say what the customer wants and knows")
    reads = form.get("reads") == "on"
    gold = [
        {"name": each.call.name, "arguments": each.call.arguments}
        | ({"requestor": "user"} if each.by is UserMessage else {})
        for each in paired_calls(record.messages)
        if each.succeeded and (reads or (each.call.name in tools and tools[each.call.name].mutates))
    ]
    criteria: dict[str, Any] = {"actions": gold}
    if wanted := _lines(form.get("communicate", "")):
        criteria["communicate_info"] = wanted
    content: dict[str, Any] = {"id": task_id}
    if form.get("outcome") in OUTCOMES:
        content["outcome"] = form["outcome"]
    if initial_state:
        content["initial_state"] = initial_state
    return content | {"user_scenario": {"instructions": scenario}, "evaluation_criteria": criteria}


def task_yaml(content: Mapping[str, Any]) -> str:
    """Return a task as YAML, as a list of one, which is what a pack's task files hold."""
    return str(yaml.safe_dump([dict(content)], sort_keys=False, allow_unicode=True, width=110))


def write_task(folder: Path, splits: str, task_id: str, text: str) -> tuple[Path, str]:
    """Write a task to a pack's `data/tasks/`, and its id into a split of the file `splits`; return file and split.

    The split is `base`, or, where the file does not name that, the first one. Raises UsageError if there is a task file
    of that name, or the split is not written in a way that an id can be added to.
    """
    file, place = folder / "data" / "tasks" / f"{task_id}.yaml", folder / splits
    if file.exists():
        raise UsageError(f"{file} is there already; choose another id")
    before = place.read_text(encoding="utf-8")
    known = yaml.safe_load(before) or {}
    split = "base" if "base" in known else next(iter(known), "base")
    after = with_id(before, split, task_id)
    if yaml.safe_load(after) != {**known, split: [task_id, *known.get(split, [])]}:
        raise UsageError(
            f"{place}: {split!r} is no plain list of ids; paste the YAML, and add {task_id} there yourself"
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    place.write_text(after, encoding="utf-8")
    return file, split


def with_id(text: str, split: str, task_id: str) -> str:
    """Return the text of splits.yaml with one more id at the beginning of a split; all else stays as it is written."""
    name = re.escape(split)
    for pattern, new in (
        (rf"^({name}:\s*)\[\s*\]", rf"\1[{task_id}]"),
        (rf"^({name}:\s*)\[", rf"\1[{task_id}, "),
        (rf"^({name}:[^\n]*\n(?:\s*#[^\n]*\n)*)( *)- ", rf"\1\2- {task_id}\n\2- "),
    ):
        changed = re.sub(pattern, new, text, count=1, flags=re.MULTILINE)
        if changed != text:
            return changed
    return text


def _lines(text: str) -> Sequence[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
