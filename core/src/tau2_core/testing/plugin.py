"""The pytest plugin (entry point `tau2_gym`): fixtures for authors of packs. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tau2_core.testing.environments import OpenEnvironment
    from tau2_core.testing.scripted_endpoint import ScriptedEndpoint


@pytest.fixture
def tau2_environment() -> OpenEnvironment:
    """Open an environment of a domain: `tau2_environment("hotel")`, or in a task's start state with the task's id."""
    from tau2_core.testing.environments import open_environment

    return open_environment


@pytest.fixture
def tau2_endpoint() -> Iterator[Callable[..., ScriptedEndpoint]]:
    """Serve a script as a model for one test: `tau2_endpoint(script).url` is its address."""
    from tau2_core.testing.scripted_endpoint import ScriptedEndpoint

    with ExitStack() as stack:
        yield lambda script, **options: stack.enter_context(ScriptedEndpoint(script, **options))
