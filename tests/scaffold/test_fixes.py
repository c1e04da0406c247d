"""`check --fix` mends misspelt names, and `check --watch` checks again after a change."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bakery import FILES, in_process, write_bakery, write_files

MISSPELT: dict[str, str | bytes] = {
    "tools/agent.yaml": FILES["tools/agent.yaml"].replace("counter:sell", "countr:sell").replace("kind:", "knd:"),
    "data/splits.yaml": b"base: [byu] # all\r\n",
    "domain.yaml": FILES["domain.yaml"].replace("tasks:", "taks:"),
}


def test_misspelt_names_are_fixed_until_none_is_left(tmp_path: Path) -> None:
    pack = write_bakery(tmp_path / "bakery", MISSPELT)
    for _ in range(3):
        done = in_process("check", "--pack", pack, "--fix")
    assert done.stdout == "bakery: clean (1 tools, 1 tasks, 1 played)\n"
    assert done.stderr == ""
    assert (pack / "data" / "splits.yaml").read_bytes() == b"base: [buy] # all\r\n"
    for name in ("tools/agent.yaml", "domain.yaml"):
        assert (pack / name).read_text(encoding="utf-8") == FILES[name].lstrip("\n")


def test_fixes_are_reported(tmp_path: Path) -> None:
    pack = write_bakery(tmp_path / "bakery", {"data/splits.yaml": "base: [byu]\n"})
    done = in_process("check", "--pack", pack, "--fix")
    assert done.stderr == f"fixed: {pack / 'data' / 'splits.yaml'}:1: byu is now buy\n"
    assert (done.returncode, done.stdout) == (0, "bakery: clean (1 tools, 1 tasks, 1 played)\n")


def test_ambiguous_names_are_not_changed(tmp_path: Path) -> None:
    tools = FILES["tools/agent.yaml"].replace("counter:sell", "sel:sel")
    pack = write_bakery(tmp_path / "bakery", {"tools/agent.yaml": tools})
    done = in_process("check", "--pack", pack, "--fix")
    assert (done.returncode, done.stderr) == (1, "")
    assert (pack / "tools" / "agent.yaml").read_text(encoding="utf-8") == tools.lstrip("\n")


@pytest.mark.parametrize("option", ["--fix", "--watch"])
def test_fix_and_watch_need_a_given_pack(option: str) -> None:
    done = in_process("check", option)
    assert (done.returncode, f"{option} works on your own packs" in done.stderr) == (2, True)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Put a misspelt pack where Python finds it as installed, and return its folder."""

    def installed(where: str) -> Path:
        folder = tmp_path / where
        plugin = """
            from tau2_core import Domain, hookimpl

            @hookimpl
            def tau2_environments():
                return [Domain(name="bakery", package="bakery")]
        """
        changed = {"data/splits.yaml": "base: [byu]\n", "plugin.py": textwrap.dedent(plugin)}
        about = {
            "METADATA": "Metadata-Version: 2.1\nName: bakery\nVersion: 1\n",
            "entry_points.txt": "[tau2_core]\nbakery = bakery.plugin\n",
        }
        write_files(folder / "bakery-1.dist-info", about)
        monkeypatch.syspath_prepend(folder)
        return write_bakery(folder / "bakery", changed)

    return installed


def test_an_editable_installed_pack_is_fixed(tmp_path: Path, install: Callable[[str], Path]) -> None:
    pack = install("src")
    done = in_process("check", "bakery", "--fix")
    assert done.stderr == f"fixed: {pack / 'data' / 'splits.yaml'}:1: byu is now buy\n"
    assert (done.returncode, done.stdout) == (0, "bakery: clean (1 tools, 1 tasks, 1 played)\n")


@pytest.mark.parametrize("option", ["--fix", "--watch"])
def test_an_installed_copy_is_not_changed(install: Callable[[str], Path], option: str) -> None:
    pack = install("lib/site-packages")
    done = in_process("check", "bakery", option)
    assert (done.returncode, f"is installed as a copy, in {pack}" in done.stderr) == (2, True), done.stderr
    assert (pack / "data" / "splits.yaml").read_text(encoding="utf-8") == "base: [byu]\n"


@pytest.mark.parametrize("by_name", [False, True])
def test_watch_checks_again_after_a_change(tmp_path: Path, install: Callable[[str], Path], by_name: bool) -> None:
    pack = install("src")
    (pack / "data" / "splits.yaml").write_text("base: [buy]\n", encoding="utf-8")
    named = ["bakery"] if by_name else ["--pack", str(pack)]
    command = [sys.executable, "-P", "-m", "tau2_core", "check", *named, "--watch"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(pack.parent) if by_name else ""}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "bakery: clean (1 tools, 1 tasks, 1 played)\n"
            assert process.stdout.readline() == f"watching {pack}; Ctrl-C ends\n"
            (pack / "data" / "splits.yaml").write_text("base: [byu]\n", encoding="utf-8")
            assert "that does not exist (did you mean 'buy'?)" in process.stdout.readline()
        finally:
            process.send_signal(signal.SIGINT)
