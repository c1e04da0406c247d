"""What one process does, a server of two does too: tests of other modules, with workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.gym.openenv.conftest import connect
from tests.gym.openenv.test_environments import (
    test_an_episode_from_reset_to_reward,
    test_plain_requests_identify_their_episode,
    test_the_record_is_that_of_the_other_planes,
)
from tests.gym.openenv.test_sessions import (
    test_a_websocket_resets_what_requests_play,
    test_json_rpc_over_a_websocket_of_its_own,
)
from tests.gym.test_connections import TestNumberOfClients
from tests.gym.test_conversation import TestConversationPlane
from tests.gym.test_served_hooks import test_a_served_run_notifies_listeners_like_a_run
from tests.gym.test_served_limits import (
    customer,
    test_failing_infrastructure_stops_a_run,
    test_no_episode_starts_once_max_cost_is_spent,
)

if TYPE_CHECKING:
    from tests.gym.conftest import Server, Start

__all__ = [
    "TestConversationPlane",
    "TestNumberOfClients",
    "connect",
    "customer",
    "test_a_served_run_notifies_listeners_like_a_run",
    "test_a_websocket_resets_what_requests_play",
    "test_an_episode_from_reset_to_reward",
    "test_failing_infrastructure_stops_a_run",
    "test_json_rpc_over_a_websocket_of_its_own",
    "test_no_episode_starts_once_max_cost_is_spent",
    "test_plain_requests_identify_their_episode",
    "test_the_record_is_that_of_the_other_planes",
]


@pytest.fixture
def start(start: Start) -> Start:
    """Start servers with two workers."""

    def with_workers(*options: object, **variables: Any) -> Server:
        return start(*options, "--workers", "2", **variables)

    return with_workers
