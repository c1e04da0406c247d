"""The run folder: what a run was told, and every finished episode, appended at once and never rewritten."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from tau2_core.errors import RunError
from tau2_core.runs.plan import Plan

FORMAT = 1


class Journal:
    """One run's folder, with one writer. A finished episode's line is handed to the system in one piece.

    Raises RunError, with what to do, when the folder cannot be made or written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True)
        except FileExistsError as error:
            raise RunError(f"{folder} exists already; choose another --name, or remove it") from error
        except OSError as error:
            raise RunError(f"cannot create {folder}: {error.strerror}; choose another place with --out") from error

    def write(self, name: str, content: Any) -> None:
        """Write a whole JSON file, through a temporary one so that it is never half there."""
        file = self.folder / name
        draft = file.with_suffix(".draft")
        try:
            draft.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            draft.replace(file)
        except OSError as error:
            raise _cannot_write(file, error) from error

    def append(self, name: str, content: Any) -> None:
        """Append one JSON line."""
        file = self.folder / name
        line = (json.dumps(content, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")
        try:
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                before = os.fstat(handle).st_size
                try:
                    while line:
                        line = line[os.write(handle, line) :]
                except OSError:
                    os.ftruncate(handle, before)  # half a line would spoil the file for whoever reads it
                    raise
            finally:
                os.close(handle)
        except OSError as error:
            raise _cannot_write(file, error) from error


def _cannot_write(file: Path, error: OSError) -> RunError:
    return RunError(f"cannot write {file}: {error.strerror}; what is finished is kept there. Make room, then run again")


def default_name(domain: str, agent: str) -> str:
    """Return a name that sorts by time; slashes in a model's name become dashes."""
    return f"{datetime.now():%Y%m%d-%H%M%S-%f}-{domain}-{agent}".replace("/", "-")


def configuration(plan: Plan) -> dict[str, Any]:
    """Return the resolved configuration of a run, with digests of all content that decides its results."""
    setting, cast = plan.setting, plan.cast
    dataset = setting.dataset
    return {
        "format": FORMAT,
        "domain": setting.domain,
        "variant": setting.variant,
        "solo": setting.solo,
        "mode": setting.mode,
        "agent": {"name": cast.agent.name, "sees_gold": cast.agent.sees_gold},
        "user": {"name": cast.user.name, "sees_gold": cast.user.sees_gold},
        "limits": {
            "max_steps": cast.limits.max_steps,
            "max_errors": cast.limits.max_errors,
            "timeout_seconds": cast.limits.timeout_seconds,
        },
        "dataset": {"adapter": dataset.adapter, "folder": str(dataset.root)} if dataset else None,
        "origins": setting.origins(),
        "split": plan.split,
        "tasks": [task.id for task in plan.tasks],
        "trials": plan.trials,
        "seed": plan.seed,
        "seeds": plan.seeds(),
        "evaluators": plan.evaluators,
        "digests": {
            "pack": files_digest(setting.pack.files(), setting.pack.folder),
            "dataset": files_digest(dataset.files, dataset.root) if dataset else None,
            "policy": text_digest(setting.policy_text),
            "opening": text_digest(setting.opening()),
            "tasks": text_digest(json.dumps([task.model_dump(mode="json") for task in plan.tasks], sort_keys=True)),
        },
    }


def text_digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def files_digest(files: Iterable[Path], root: Path) -> str:
    """Return one digest of files' names below `root` and contents."""
    total = hashlib.sha256()
    for file in sorted(files):
        name = file.relative_to(root) if file.is_relative_to(root) else file
        total.update(f"{name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()
