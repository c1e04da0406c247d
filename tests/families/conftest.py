"""The example of docs/how-to/task-families.md as a package."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.families.heating import example_files

_numbers = itertools.count(1)


@pytest.fixture
def heating(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Write the example as a package with a new name and modified files: `heating((file, old, new), …)`."""
    names: list[str] = []

    def write(*changes: tuple[str, str, str]) -> Path:
        names.append(f"heating_{next(_numbers)}")
        folder = tmp_path / names[-1]
        files = example_files()
        for file, old, new in changes:
            assert old in files.setdefault(file, old), f"{file} has no {old!r}"
            files[file] = files[file].replace(old, new, 1)
        for file, text in files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(text.replace("from heating.", f"from {names[-1]}."), encoding="utf-8")
        return folder

    yield write
    for module in [module for module in sys.modules if module.partition(".")[0] in names]:
        del sys.modules[module]
