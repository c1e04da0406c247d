"""Searching by commands: only in a sandbox, over a folder of the documents, with the official texts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tau2_core import (
    Document,
    FinishedCommand,
    KnowledgeBase,
    Refusal,
    SandboxLimits,
    SandboxSpec,
    SearchContext,
    SearchParts,
    UsageError,
    open_episode,
)
from tau2_core.retrievers.shell import Shell

from tests.bakery import forget_packs, in_process
from tests.documents import ROOT, write_files

KNOWLEDGE = KnowledgeBase((Document("a(b)", "Fees", "The fee is 5."), Document("c", "Cards", "A card.\n")))


class Told:
    """A sandbox that ends each command as it is told, and notes the folder."""

    def __init__(self, code: int = 0, output: str = "", errors: str = "") -> None:
        self.finished = FinishedCommand(code, output, errors)
        self.folders: list[Path] = []

    async def run(self, folder: Path, command: str, *, writable: bool, limits: SandboxLimits) -> FinishedCommand:
        self.folders.append(folder)
        if writable:
            (folder / "note").write_text(command, encoding="utf-8")
        return self.finished


def shell(told: Told, **options: object) -> Shell:
    parts = SearchParts({}, {"told": SandboxSpec("told", "ends as it is told", lambda: told)})
    return Shell(KNOWLEDGE, {"sandbox": "told", **options}, parts)


def find(command: str, told: Told) -> str:
    return asyncio.run(shell(told).find(command, SearchContext()))


def test_the_folder_has_a_file_for_each_document_and_an_index() -> None:
    told = Told()
    find("ls", told)
    files = {file.name: file.read_text(encoding="utf-8") for file in told.folders[0].iterdir()}
    index = (
        "# Knowledge Base Index\n\n**Total documents:** 2\n\n## Documents\n\n- **a_b_.md** - Fees\n- **c.md** - Cards\n"
    )
    assert files == {"a_b_.md": "# Fees\n\nThe fee is 5.", "c.md": "# Cards\n\nA card.\n", "INDEX.md": index}
    find("ls", told)
    assert len(set(told.folders)) == 1


@pytest.mark.parametrize(
    ("command", "told", "found"),
    [
        ("cat c.md", Told(0, "A card."), "A card."),
        ("true", Told(0, "", "ignored"), "(no output)"),
        ("grep x *.md", Told(1), "No matches found."),
        (
            "ls -l",
            Told(0, "-rw-r--r-- 1 ann staff 5 Nov 30 15:55 c.md"),
            "-rw-r--r-- 1 kb_user kb_group 5 Jan  1 00:00 c.md",
        ),
    ],
)
def test_a_result_has_the_official_form(command: str, told: Told, found: str) -> None:
    assert find(command, told) == found


@pytest.mark.parametrize(
    ("command", "told", "said"),
    [
        ("grep x none.md", Told(2, "", "no such file"), "exit code 2: no such file"),
        ("exit 3", Told(3, "lost"), "exit code 3$"),
        ("cat none", Told(1), "exit code 1$"),
        ("sleep 60", Told(124), "took longer than 30 seconds"),
    ],
)
def test_a_failed_command_is_refused(command: str, told: Told, said: str) -> None:
    with pytest.raises(Refusal, match=said):
        find(command, told)


@pytest.mark.parametrize(
    "command", ["ls ..", "cat /etc/passwd", "true;/bin/ls", "echo ~", "cat $HOME/x", "cat ${HOME}/x"]
)
def test_a_command_about_places_outside_is_not_run(command: str) -> None:
    told = Told()
    with pytest.raises(Refusal, match="exit code 1: the command names a place outside"):
        find(command, told)
    assert told.folders == []
    for harmless in ("echo '..'", 'echo "/tmp"', "echo a/b", "ls | head"):
        assert find(harmless, told) == "(no output)"


def test_an_episode_that_may_write_has_a_folder_of_its_own_until_its_end() -> None:
    told = Told()
    contexts = [SearchContext(), SearchContext()]
    for context in (contexts[0], contexts[0], contexts[1]):
        asyncio.run(shell(told, writable=True).find("echo", context))
    one, again, other = told.folders
    assert (one == again, one == other, (one / "c.md").is_file()) == (True, False, True)
    contexts[0].closing.close()
    assert (one.exists(), other.exists()) == (False, True)
    contexts[1].closing.close()


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    forget_packs()
    write_files(ROOT / "docs" / "how-to" / "knowledge.md", tmp_path)
    return tmp_path / "desk"


@pytest.mark.parametrize(
    ("sandbox", "said"),
    [
        ("bubblewrap", "need the sandbox bubblewrap, which is not installed: pip install tau2-sandbox-bubblewrap"),
        ("bublewrap", "there is none named 'bublewrap' (did you mean 'bubblewrap'?)"),
    ],
)
def test_without_a_sandbox_the_variant_is_refused(desk: Path, sandbox: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        open_episode(
            desk,
            "reset",
            variant="commands",
            variant_options={"sandbox": sandbox},
            blocked=["sandbox_bubblewrap"],
        )
    assert "tools/commands.yaml:2: shell: " in str(refused.value)
    assert said in str(refused.value)


def test_a_pack_is_clean_without_what_its_variants_need(desk: Path) -> None:
    done = in_process("check", "--pack", desk, "--no-plugin", "sandbox_bubblewrap")
    assert (done.returncode, done.stdout) == (0, "desk: clean (4 tools, 2 tasks, 2 played)\n")


def test_commands_are_answered_in_an_episode_over_any_interface(desk: Path) -> None:
    sandbox = pytest.importorskip("tau2_sandbox_bubblewrap.sandbox")
    try:
        sandbox.open_sandbox()
    except UsageError as error:
        pytest.skip(f"bubblewrap cannot be used here: {error}")
    with open_episode(desk, "reset", variant="commands") as episode:
        assert episode.call("shell", command="grep -il paper *.md").content == "INDEX.md\nprinters_paper.md\n"
        assert episode.call("shell", command="exit 3").failure == "refused"
    with open_episode(desk, "reset", variant="commands", mode="tau2") as episode:
        refused = episode.call("shell", command="exit 3")
        assert (refused.failure, refused.refused, refused.content) == (None, True, "Error: exit code 3")
