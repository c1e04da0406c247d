"""A model reviews a simulated customer: whether it kept to its scenario, its persona and its guidelines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from tau2_core.llm.chat import text_of
from tau2_core.llm.judge import UnusableAnswerError, read_object, transcript
from tau2_core.llm.prompts import own_prompt
from tau2_core.model.llm import Model, ModelError
from tau2_core.model.messages import Message, UserMessage
from tau2_core.model.user_review import Severity, UserFinding
from tau2_core.validation_errors import first_wrong_part

Aspect = Literal["scenario", "known_information", "unknown_information", "persona", "guidelines"]
PREFIX = "model:"  # of findings, before the aspect


class _Finding(BaseModel):
    model_config = ConfigDict(strict=True)

    aspect: Aspect
    severity: Severity
    message: int
    words: str
    why: str


class _Answer(BaseModel):
    findings: list[_Finding]


async def review_customer(
    model: Model, told: Mapping[str, str], messages: Sequence[Message], start: int = 0
) -> tuple[list[UserFinding], str]:
    """Return the findings and "", or no findings and the reason why the answer cannot be used.

    A malformed answer is sent back once with the error.

    Args:
        model: the reviewing model.
        told: the customer's guidelines, manner and scenario, by name.
        messages: the conversation.
        start: the index of the first message that the customer itself may have written.
    """
    parts = [f"<{name}>\n{text}\n</{name}>" for name, text in told.items() if text]
    parts.append(f"<transcript>\n{transcript(messages, numbered=True)}\n</transcript>")
    chat = [
        {"role": "system", "content": own_prompt("reviewer")},
        {"role": "user", "content": "\n\n".join(parts)},
    ]
    try:
        answer = text_of(await model.complete(chat)) or ""
        try:
            return read_findings(answer, messages, start), ""
        except UnusableAnswerError as error:
            complaint = f"That cannot be used: {error}. Answer again, with the JSON object alone."
            chat += [{"role": "assistant", "content": answer or "(empty)"}, {"role": "user", "content": complaint}]
            return read_findings(text_of(await model.complete(chat)) or "", messages, start), ""
    except (ModelError, UnusableAnswerError) as error:
        return [], str(error)


def read_findings(answer: str, messages: Sequence[Message], start: int = 0) -> list[UserFinding]:
    """Read the reviewer's JSON. Each finding must quote a message of the customer. Raises UnusableAnswerError."""
    try:
        found = _Answer.model_validate(read_object(answer, "findings")).findings
    except ValidationError as error:
        raise UnusableAnswerError(first_wrong_part(error)) from error
    for number, finding in enumerate(found, 1):
        message = messages[finding.message] if start <= finding.message < len(messages) else None
        if not isinstance(message, UserMessage):
            raise UnusableAnswerError(f"finding {number}: message {finding.message} is not one of the customer")
        said, words = _plain(message.content or ""), _plain(finding.words)
        if words not in said or not (words or message.tool_calls):
            raise UnusableAnswerError(f"finding {number}: {finding.words!r} is not in message {finding.message}")
    return [
        UserFinding(
            detector=f"{PREFIX}{each.aspect}",
            severity=each.severity,
            message=each.message,
            words=each.words,
            why=each.why,
        )
        for each in found
    ]


def _plain(text: str) -> str:
    return " ".join(text.split()).lower()
