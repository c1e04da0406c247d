"""A run in a program's own process restores Python's garbage-collection settings."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from tau2_core.cli.app import app
from typer.testing import CliRunner

pytestmark = pytest.mark.domain("mock")


@pytest.fixture(params=["nothing frozen", "something frozen"])
def frozen(request: pytest.FixtureRequest) -> Iterator[int]:
    """The number of frozen objects; afterwards, those of the test session are frozen again."""
    if request.param == "nothing frozen":
        gc.unfreeze()
    else:
        gc.freeze()
    yield gc.get_freeze_count()
    gc.freeze()


def test_a_run_leaves_the_garbage_collection_as_it_was(frozen: int, tmp_path: Path) -> None:
    before = gc.get_threshold(), gc.isenabled()
    done = CliRunner().invoke(app, ["run", "mock", "--num-tasks", "1", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert (gc.get_threshold(), gc.isenabled()) == before
    assert gc.get_freeze_count() <= frozen  # frozen objects can be freed all the same
    assert (gc.get_freeze_count() > 0) == (frozen > 0)
