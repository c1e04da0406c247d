"""Fixtures for domains written in Python for tau2-bench, here on a stand-in for it, and recordings from one."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, TypeAlias

import pytest

DOMAINS = Path(__file__).parent / "domains"
TARGET = "bookshop.environment"
OWN = ("bench_stand_in", "bookshop", "tau2_bookshop")
Tau2: TypeAlias = Callable[..., CompletedProcess[str]]


@pytest.fixture
def tau2(gym: Callable[..., CompletedProcess[str]]) -> Tau2:
    """Run a command with the bookshop wrapped: `tau2("run", "bookshop")`. `target` names another domain."""

    def run(
        *arguments: object, target: str = TARGET, domains: Path = DOMAINS, paths: tuple[Path, ...] = ()
    ) -> CompletedProcess[str]:
        return gym(*arguments, "--pack-tau2", target, paths=[domains, *paths])

    return run


@pytest.fixture
def bookshop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module of the bookshop, imported here."""
    monkeypatch.syspath_prepend(str(DOMAINS))
    yield importlib.import_module(TARGET)
    for name in [name for name in sys.modules if name.startswith(OWN)]:
        del sys.modules[name]


@pytest.fixture
def variant_of(tmp_path: Path) -> Callable[..., Path]:
    """Write a module `corner` that changes the bookshop's, by code at its end; return its folder."""

    def make(code: str) -> Path:
        folder = tmp_path / "corner_site"
        folder.mkdir()
        head = "from bookshop.environment import *\nfrom bookshop.environment import get_environment as original\n"
        (folder / "corner.py").write_text(f"{head}{code}\n", encoding="utf-8")
        return folder

    return make
