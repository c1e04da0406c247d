"""Commands in the sandbox: what they see, what they may do, and that nothing outlives them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from tau2_core import FinishedCommand, Sandbox, SandboxLimits, ToolError, UnavailableError
from tau2_sandbox_bubblewrap.sandbox import open_sandbox

USUAL = SandboxLimits()
SHORT = SandboxLimits(seconds=0.5)


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    try:
        return open_sandbox()
    except UnavailableError as error:
        pytest.skip(f"bubblewrap cannot be used here: {error}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "badges.md").write_text("A badge at the door.\n", encoding="utf-8")
    return tmp_path


def run(
    sandbox: Sandbox, folder: Path, command: str, limits: SandboxLimits = USUAL, *, writable: bool = False
) -> FinishedCommand:
    return asyncio.run(sandbox.run(folder, command, writable=writable, limits=limits))


def test_a_command_sees_the_documents_and_nothing_else(sandbox: Sandbox, folder: Path) -> None:
    assert run(sandbox, folder, "cat badges.md") == FinishedCommand(0, "A badge at the door.\n", "")
    assert run(sandbox, folder, "pwd; ls").output == "/documents\nbadges.md\n"
    seen = run(sandbox, folder, "ls /; env | cut -d= -f1 | sort | tr '\\n' ' '; ls /proc | grep -c '^[0-9]'").output
    assert not {"home", "root", "var", "work", Path(folder.parts[1]).name} & (set(seen.split()) - {"tmp"})
    assert "HOME LC_ALL PATH PWD SHLVL _" in seen
    for path in ("/etc/passwd", "/root", str(Path(__file__)), str(folder)):
        assert "No such file" in run(sandbox, folder, f"ls {path}").errors


def test_only_a_writable_folder_can_be_changed(sandbox: Sandbox, folder: Path) -> None:
    for command in ("echo x > badges.md", "touch new", "rm badges.md", "touch /new", "echo x > /dev/shm/x"):
        assert "Read-only file system" in run(sandbox, folder, command).errors
    assert sorted(each.name for each in folder.iterdir()) == ["badges.md"]
    assert run(sandbox, folder, "echo x > new && cat new", writable=True).output == "x\n"
    assert (folder / "new").read_text(encoding="utf-8") == "x\n"


def test_there_is_no_network(sandbox: Sandbox, folder: Path) -> None:
    names = run(sandbox, folder, "tail -n +3 /proc/net/dev | cut -d: -f1").output.split()
    assert names == ["lo"]


def test_time_is_bounded_and_nothing_goes_on(sandbox: Sandbox, folder: Path) -> None:
    for command in ("sleep 987654 & sleep 987654", "while :; do :; done", "trap '' TERM INT; sleep 987654"):
        assert run(sandbox, folder, command, SHORT).code == 124
    assert run(sandbox, folder, "sleep 987654 &").code == 0
    processes = subprocess.check_output(["ps", "-eo", "args"], text=True)
    assert "sleep 987654" not in [line.strip() for line in processes.splitlines()]


def test_memory_files_and_output_are_bounded(sandbox: Sandbox, folder: Path) -> None:
    greedy = run(sandbox, folder, f"head -c {2**31} /dev/zero | tail -c {2**31} | wc -c")
    assert (greedy.output, "exhausted" in greedy.errors) == ("0\n", True)
    big = run(sandbox, folder, f"head -c {2**26} /dev/zero > big; wc -c < big", writable=True)
    assert big.output == f"{USUAL.file}\n"
    long = run(sandbox, folder, "head -c 3000000 /dev/zero | tr '\\0' x")
    assert (long.code, len(long.output), long.cut) == (0, USUAL.output, True)


@pytest.mark.parametrize("command", ["echo \0", "echo \ud800", "#" * 200_000])
def test_a_command_that_no_program_takes_is_refused(sandbox: Sandbox, folder: Path, command: str) -> None:
    with pytest.raises(ToolError, match="the command "):
        run(sandbox, folder, command)


def test_without_bubblewrap_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match="not on the PATH: install it, as with apt-get install bubblewrap"):
        open_sandbox()
    broken = tmp_path / "bwrap"
    broken.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('No permission to create a new namespace')\n")
    broken.chmod(0o755)
    with pytest.raises(UnavailableError, match="does not work here: No permission to create a new namespace; allow"):
        open_sandbox()
