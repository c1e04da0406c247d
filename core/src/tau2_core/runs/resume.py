"""Resuming a run that was stopped: finished episodes are kept, missing ones are played."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from tau2_core.errors import RunError
from tau2_core.model.episodes import Slot, Termination
from tau2_core.model.llm import ModelSettings
from tau2_core.records.finished import FinishedSlots, judgement_line, read_finished_slots
from tau2_core.records.journal import CONFIGURATION, EPISODES, GRADES, JUDGEMENTS, TIMINGS, Journal
from tau2_core.runs.judgements import stands
from tau2_core.runs.plan import Plan
from tau2_core.state.difference import path_text, value_changes


def resume_run(journal: Journal, config: dict[str, Any], plan: Plan) -> FinishedSlots:
    """Read the finished slots, and rewrite the files with complete lines, one per slot.

    Episodes with an infrastructure error are removed, to be played again. Raises RunError if the run was configured
    differently: for any difference in options, plugins or content that could affect a result.
    """
    try:
        difference = next(value_changes(deciding(journal.read(CONFIGURATION)), deciding(config)), None)
    except (ValidationError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{journal.folder / CONFIGURATION} has the wrong form: {error}; start a new run") from error
    if difference is not None:
        where = path_text(difference.path)
        raise RunError(
            f"--resume: {journal.folder} holds another run: {where} was {difference.old!r} and is now "
            f"{difference.new!r}; restore it, or start a new run with another --name"
        )
    slots = set(plan.slots())
    found = read_finished_slots(journal)
    for slot, record in list(found.records.items()):
        if slot not in slots or record.termination is Termination.INFRASTRUCTURE_ERROR:
            del found.records[slot]
    found.judgements = {slot: each for slot, each in found.judgements.items() if slot in found.records}
    judge = plan.participants.role_models.get("judge")
    found.grades = {
        slot: grade
        for slot, grade in found.grades.items()
        if slot in found.records
        and grade.evaluators == plan.evaluators  # `tau2-gym grade` may have used another set
        and (slot not in found.judgements or found.judgements[slot].error or stands(found.judgements[slot], judge))
    }
    timings = [line for line in journal.lines(TIMINGS) if _slot_of(line) in found.grades]
    journal.rewrite(EPISODES, (record.line() for record in found.records.values()))
    journal.rewrite(GRADES, (grade.model_dump(mode="json") for grade in found.grades.values()))
    journal.rewrite(TIMINGS, timings)
    if (journal.folder / JUDGEMENTS).exists():
        journal.rewrite(JUDGEMENTS, (judgement_line(slot, each) for slot, each in found.judgements.items()))
    return found


def _slot_of(timing: Any) -> Slot | None:
    known = isinstance(timing, dict) and isinstance(timing.get("task_id"), str) and isinstance(timing.get("trial"), int)
    return Slot(timing["task_id"], timing["trial"]) if known else None


def deciding(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration without what does not affect results, such as addresses and timeouts of models."""
    models = {
        role: {
            **{name: value for name, value in model.items() if name not in ("from_dataset", "replayed")},
            "args": ModelSettings(model=model["model"], args=model["args"]).deciding_args(),
        }
        for role, model in config.get("models", {}).items()
    }
    return {**config, "models": models}
