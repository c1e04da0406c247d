"""Make a task from an episode that was just played: its calls become the gold; the author types the scenario."""

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
    """Return a task as plain data for YAML. Its gold is the successful calls of tools that change data.

    If the form's field `reads` is "on", the gold includes successful read-only calls too. Raises UsageError if the id
    is not a valid name or the scenario is missing.
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
    """Return a task as YAML: a list with one item, the format of a pack's task files."""
    return str(yaml.safe_dump([dict(content)], sort_keys=False, allow_unicode=True, width=110))


def write_task(folder: Path, splits: str, task_id: str, text: str) -> tuple[Path, str]:
    """Write a task to a pack's `data/tasks/`, and its id into a split of the file `splits`; return file and split.

    The split is `base`, or the first one if the file has no `base`. Raises UsageError if there already is a task file
    of that name, or if the split is not a plain list to which an id can be added.
    """
    file, place = folder / "data" / "tasks" / f"{task_id}.yaml", folder / splits
    if file.exists():
        raise UsageError(f"{file} exists already; choose another id")
    before = place.read_text(encoding="utf-8")
    known = yaml.safe_load(before) or {}
    split = "base" if "base" in known else next(iter(known), "base")
    after = with_id(before, split, task_id)
    if yaml.safe_load(after) != {**known, split: [task_id, *known.get(split, [])]}:
        raise UsageError(
            f"{place}: split {split!r} is not a plain list of ids; save the YAML in data/tasks, add {task_id} by hand"
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    place.write_text(after, encoding="utf-8")
    return file, split


def with_id(text: str, split: str, task_id: str) -> str:
    """Return the text of splits.yaml with an id added at the beginning of a split, and otherwise unchanged."""
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
