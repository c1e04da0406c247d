"""The pytest plugin (entry point `tau2_gym`): fixtures for authors of packs. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tau2_core.testing.scripted_endpoint import ScriptedEndpoint
    from tau2_core.testing.worlds import OpenWorld


@pytest.fixture
def tau2_world() -> OpenWorld:
    """Open a world of a domain: `tau2_world("hotel", "refuse")` in a task's start state, without one as it begins."""
    from tau2_core.testing.worlds import open_world

    return open_world


@pytest.fixture
def tau2_endpoint() -> Iterator[Callable[..., ScriptedEndpoint]]:
    """Serve a script as a model for one test: `tau2_endpoint(script).url` is its address."""
    from tau2_core.testing.scripted_endpoint import ScriptedEndpoint

    with ExitStack() as stack:
        yield lambda script, **options: stack.enter_context(ScriptedEndpoint(script, **options))
