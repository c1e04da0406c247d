"""Conversations made for the detectors, over the tools of the packs mock and telecom."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from tau2_core import (
    AssistantMessage,
    EpisodeRecord,
    LoadedDomain,
    Message,
    ReviewedConversation,
    Task,
    ToolCall,
    ToolMessage,
    UserMessage,
    UserReview,
    load_domain,
)
from tau2_core.model.episodes import Termination
from tau2_core.model.lazy import loaded
from tau2_core.runs.loading import open_catalogue
from tau2_core.user_review.review import review

Turn = tuple[str, str] | Message
Review = Callable[..., UserReview]


@pytest.fixture(scope="session")
def mock() -> LoadedDomain:
    return load_domain("mock")


@pytest.fixture(scope="session")
def telecom() -> LoadedDomain:
    return load_domain("telecom")


@pytest.fixture(scope="session")
def reviewed(mock: LoadedDomain) -> Review:
    """Review a conversation of turns of `agent` and `user`: a message, or a text.

    The text `name()` is a call that succeeds, `name()!` one that fails.
    """
    detectors = {name: loaded(spec.detect) for name, spec in open_catalogue().detectors().items()}

    def made(
        turns: Sequence[Turn],
        *,
        scenario: str = "You want to get help.",
        wants: Sequence[str] = (),
        domain: LoadedDomain = mock,
        ended: Termination = Termination.USER_STOP,
    ) -> UserReview:
        task = Task.model_validate(
            {
                "id": "task",
                "user_scenario": {"instructions": scenario},
                "evaluation_criteria": {"actions": [{"name": name} for name in wants]},
            }
        )
        record = EpisodeRecord(
            domain=domain.name,
            task_id="task",
            trial=0,
            seed=1,
            termination=ended,
            mode="strict",
            messages=[message for number, turn in enumerate(turns) for message in _messages(number, turn)],
        )
        return review(ReviewedConversation(task, record, domain.tools, domain.user_tools), detectors)

    return made


def _messages(number: int, turn: Turn) -> list[Message]:
    if not isinstance(turn, tuple):
        return [turn]
    who, text = turn
    failed, name = text.endswith("()!"), text.removesuffix("!")
    if not name.endswith("()"):
        return [AssistantMessage(content=text) if who == "agent" else UserMessage(content=text)]
    requestor, side = ("assistant", AssistantMessage) if who == "agent" else ("user", UserMessage)
    call = ToolCall.model_validate(
        {"id": str(number), "name": name.removesuffix("()"), "arguments": {}, "requestor": requestor}
    )
    result = ToolMessage.model_validate({"id": str(number), "content": "", "requestor": requestor, "error": failed})
    return [side(tool_calls=[call]), result]
