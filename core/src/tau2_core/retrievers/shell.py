"""Search by shell commands in a folder of the documents, inside a sandbox (the official `shell` tool's arithmetic)."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from tau2_core.errors import MissingExtraError, Refusal, UsageError
from tau2_core.model.knowledge import KnowledgeBase, SearchContext
from tau2_core.model.lazy import loaded
from tau2_core.model.llm import ModelRole, ModelSettings
from tau2_core.model.registrations import SearchParts
from tau2_core.model.sandboxes import FinishedCommand, Sandbox, SandboxLimits
from tau2_core.name_suggestions import did_you_mean
from tau2_core.retrievers.settings import query_text, seconds, switch, text

LIMITS = SandboxLimits()
TIME_IS_UP = 124
PACKAGES = {"bubblewrap": "tau2-sandbox-bubblewrap"}
_QUOTED = (re.compile(r"'[^']*'"), re.compile(r'"[^"]*"'))
_OUTSIDE = re.compile(r"\.\.|^/|(?:^|[\s;|&])/[a-zA-Z]|~|\$HOME|\$\{HOME\}")
_ROOT = re.compile(r"(?:^|[\s;|&])/(?:$|[\s;|&])")
_LISTED = re.compile(
    r"^([-dlbcps][-rwxsStT]{9}[.+@]?\s+\d+\s+)\S+(\s+)\S+(\s+\d+\s+)\w{3}\s+\d+\s+[\d:]+(\s)", re.MULTILINE
)
_NAME = re.compile(r"[^a-zA-Z0-9._-]")


class Shell:
    """Runs commands in a folder with a file for each document and `INDEX.md`. `sandbox` is the name of the sandbox.

    With `writable` each episode has a copy of its own, which ends with it. Files are part of no database.
    """

    models: Mapping[ModelRole, ModelSettings] = {}

    def __init__(self, knowledge: KnowledgeBase, options: Mapping[str, Any], parts: SearchParts) -> None:
        self._knowledge = knowledge
        self._writable = switch(options, "writable")
        self._limits = SandboxLimits(seconds=seconds(options, LIMITS.seconds))
        self._sandbox = _sandbox(text(options, "sandbox"), parts)

    async def prepare(self, _context: SearchContext) -> None:
        """Write the documents, unless this process has done so."""
        folder_of(self._knowledge)

    async def find(self, query: Any, context: SearchContext) -> str:
        command = query_text(query, "command")
        if self.is_blocked(command):
            raise Refusal("exit code 1: the command names a place outside the folder of the documents; use file names")
        finished = await self._sandbox.run(self._folder(context), command, writable=self._writable, limits=self._limits)
        return _result(command, finished, self._limits)

    def _folder(self, context: SearchContext) -> Path:
        if not self._writable:
            return folder_of(self._knowledge)
        key = (Shell, id(self._knowledge))
        if key not in context.kept:
            own = Path(context.closing.enter_context(tempfile.TemporaryDirectory(prefix="tau2-gym-")))
            context.kept[key] = shutil.copytree(folder_of(self._knowledge), own, dirs_exist_ok=True)
        return Path(context.kept[key])

    @staticmethod
    def is_blocked(command: str) -> bool:
        """Tell whether a command, without its quoted parts, names a place outside the folder."""
        return bool(_OUTSIDE.search(_unquoted(command)))

    @staticmethod
    def shows_machine(query: Any) -> bool:
        """Tell whether a command's output depends on the machine: it looks into the root folder."""
        return isinstance(query, str) and bool(_ROOT.search(_unquoted(query)))

    def nothing_found(self, _query: Any) -> str:
        return "(no output)"


def _unquoted(command: str) -> str:
    for quoted in _QUOTED:
        command = quoted.sub('""', command)
    return command


def _result(command: str, finished: FinishedCommand, limits: SandboxLimits) -> str:
    """Return a command's output. Raises Refusal if it failed."""
    output = _LISTED.sub(r"\1kb_user\2kb_group\3Jan  1 00:00\4", finished.output)
    if finished.cut:
        output += f"\n(cut off after {limits.output} bytes)"
    if finished.code == 0:
        return output or "(no output)"
    if finished.code == TIME_IS_UP:
        raise Refusal(f"exit code {TIME_IS_UP}: the command took longer than {limits.seconds:g} seconds")
    if finished.code == 1 and "grep" in command and not finished.errors:
        return "No matches found."
    raise Refusal(f"exit code {finished.code}: {finished.errors}" if finished.errors else f"exit code {finished.code}")


def _sandbox(name: str, parts: SearchParts) -> Sandbox:
    """Return a sandbox. Raises MissingExtraError if it is not installed, UsageError if it cannot work here."""
    spec = parts.sandboxes.get(name)
    if spec is None and name in PACKAGES:
        raise MissingExtraError("commands of an agent", f"the sandbox {name}", "", PACKAGES[name])
    if spec is None:
        known = {*parts.sandboxes, *PACKAGES}
        raise UsageError(
            f"commands run in a sandbox only, and there is none named {name!r} ({did_you_mean(name, known)})"
        )
    return loaded(spec.create)()


@lru_cache(maxsize=8)
def folder_of(knowledge: KnowledgeBase) -> Path:
    """Return the folder of a knowledge base's documents, written once a process and removed at its end."""
    folder = Path(tempfile.mkdtemp(prefix="tau2-gym-"))
    atexit.register(_remove, folder, os.getpid())
    lines = ["# Knowledge Base Index", "", f"**Total documents:** {len(knowledge.documents)}", "", "## Documents", ""]
    for document in knowledge.documents:
        name = f"{_NAME.sub('_', document.id)}.md"
        content = f"# {document.title}\n\n{document.content}"
        (folder / name).write_text(content, encoding="utf-8", newline="")
        lines.append(f"- **{name}** - {document.title}")
    index = "".join(f"{line}\n" for line in lines)
    (folder / "INDEX.md").write_text(index, encoding="utf-8", newline="")
    return folder


def _remove(folder: Path, owner: int) -> None:
    """Remove a folder, but not in a fork of the process that made it."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
