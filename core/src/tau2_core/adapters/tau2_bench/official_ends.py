"""How the official loop would have ended an episode that ended normally here (docs/decisions/0003 and 0017)."""

from __future__ import annotations

from tau2_core.episode.solo import DONE
from tau2_core.llm.chat import CUT_OFF, UNPARSABLE
from tau2_core.model.episodes import EpisodeRecord, Termination
from tau2_core.model.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage
from tau2_core.model.participants import STOP

ENDED_WELL = (Termination.AGENT_STOP, Termination.USER_STOP)


def without_calls_beside_done(record: EpisodeRecord) -> EpisodeRecord | None:
    """Return the record without calls beside a solo agent's `done`, which the official loop does not make.

    None if there are none. The copy has no digests, since its end state is not known without a replay.
    """
    if not record.solo or record.termination is not Termination.AGENT_STOP:
        return None
    spoken = [place for place, message in enumerate(record.messages) if isinstance(message, AssistantMessage)]
    message = record.messages[spoken[-1]]
    assert isinstance(message, AssistantMessage)
    calls = message.tool_calls or []
    done = next((call for call in calls if call.name == DONE), None)
    if done is None or len(calls) == 1:
        return None
    alone = [message.model_copy(update={"tool_calls": [done]}), ToolMessage(id=done.id, content="")]
    return record.model_copy(update={"messages": [*record.messages[: spoken[-1]], *alone], "digests": {}})


def official_end(record: EpisodeRecord, max_steps: int) -> tuple[Termination, str]:
    """Return the end that the official loop would record, and why it differs from ours ("" if it does not).

    Officially `max_steps` replaces an end in the last step, and a message that cannot be read aborts the attempt.
    `max_errors` would replace an end too, but an episode never ends in the step of a failed call, except with `done`.
    """
    if record.termination not in ENDED_WELL:
        return record.termination, ""
    for message in record.messages:
        why = _unreadable(message, solo=record.solo)
        if why:
            side = Termination.USER_ERROR if isinstance(message, UserMessage) else Termination.AGENT_ERROR
            return side, f"{why}, which aborts it in tau2-bench"
    done = record.solo and any(call.name == DONE for message in record.messages for call in _calls(message))
    if record.steps - done >= max_steps:  # the official loop does not count `done` as a step
        return Termination.MAX_STEPS, f"it ended in step {max_steps}, the last one"
    return record.termination, ""


def _unreadable(message: Message, *, solo: bool) -> str:
    calls = _calls(message)
    if any({UNPARSABLE, CUT_OFF} & call.arguments.keys() for call in calls):
        return "a call's arguments were not a JSON object"
    stop = solo and calls and isinstance(message, AssistantMessage) and STOP in (message.content or "")
    return f"{STOP} came together with calls" if stop and all(call.name != DONE for call in calls) else ""


def _calls(message: Message) -> list[ToolCall]:
    return (message.tool_calls or []) if isinstance(message, AssistantMessage | UserMessage) else []
