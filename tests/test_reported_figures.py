"""The cost and tokens that a custom agent reports: plausible figures are kept, others dropped."""

from __future__ import annotations

from typing import Any

import pytest
from tau2_core import open_episode
from tau2_core.model.messages import AssistantMessage

COUNTED = {"prompt_tokens": 9, "completion_tokens": 3}


@pytest.mark.parametrize(
    ("cost", "kept"),
    [
        (0.25, 0.25),
        (0, 0.0),
        ("0.25", 0.25),
        (None, None),
        (-1, None),
        (float("nan"), None),
        (float("inf"), None),
        pytest.param(10**400, None, id="10^400"),
        (1e300, None),
        ("free", None),
        (True, None),
        ([1], None),
    ],
)
def test_implausible_costs_are_dropped(cost: Any, kept: float | None) -> None:
    assert recorded(cost=cost)["cost"] == kept


@pytest.mark.parametrize(
    ("usage", "kept"),
    [
        (COUNTED, COUNTED),
        ({"prompt_tokens": "9", "completion_tokens": 2.5}, COUNTED),
        ({**COUNTED, "prompt_tokens": -9}, {"completion_tokens": 3}),
        ({**COUNTED, "prompt_tokens": 10**30}, {"completion_tokens": 3}),
        pytest.param({**COUNTED, "prompt_tokens": 10**400}, {"completion_tokens": 3}, id="10^400"),
        ({**COUNTED, "prompt_tokens": float("nan")}, {"completion_tokens": 3}),
        ({**COUNTED, "cached": {"share": float("inf")}}, {**COUNTED, "cached": {"share": "inf"}}),
        ("many", None),
        ([9, 3], None),
    ],
)
def test_implausible_token_counts_are_dropped(usage: Any, kept: dict[str, Any] | None) -> None:
    assert recorded(usage=usage)["usage"] == kept


def recorded(**figures: Any) -> dict[str, Any]:
    """Return the message as it is in the record of an episode; its sender has not validated it."""
    message = AssistantMessage(content="Let me see.").model_copy(update=figures)
    with open_episode("mock", "create_plain") as episode:
        episode.step(message)
        record = episode.record()
    assert record.error is None
    found: dict[str, Any] = record.messages[2].model_dump(mode="json")
    assert found["content"] == "Let me see."
    return found
