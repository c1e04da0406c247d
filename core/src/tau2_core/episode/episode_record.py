"""The record of an episode: empty, and as far as its conversation has come."""

from __future__ import annotations

from tau2_core.episode.conversation import Conversation
from tau2_core.episode.setting import Setting
from tau2_core.model.episodes import EpisodeRecord, Slot, Termination


def empty_record(setting: Setting, slot: Slot, seed: int) -> EpisodeRecord:
    """Return an empty record for an episode."""
    return EpisodeRecord(
        domain=setting.domain,
        task_id=slot.task_id,
        trial=slot.trial,
        seed=seed,
        termination=Termination.AGENT_STOP,
        solo=setting.solo,
        variant=setting.variant,
        mode=setting.mode,
    )


def record_so_far(setting: Setting, slot: Slot, seed: int, conversation: Conversation) -> EpisodeRecord:
    """Return a record with what a conversation holds. It shares the conversation's messages."""
    record = empty_record(setting, slot, seed)
    record.termination = conversation.termination or Termination.AGENT_STOP
    record.error = conversation.error
    record.steps = conversation.steps
    record.tool_calls = conversation.tool_calls
    record.tool_errors = dict(sorted(conversation.failures.items()))
    record.messages = conversation.messages
    return record
