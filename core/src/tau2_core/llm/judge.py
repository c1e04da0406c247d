"""The judge: natural-language assertions, decided by a model from the transcript, one verdict a statement."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json

from tau2_core.llm.chat import text_of
from tau2_core.llm.prompts import own_prompt
from tau2_core.model.evaluation import JudgedStatement, Judgement
from tau2_core.model.llm import Model, ModelError
from tau2_core.model.messages import AssistantMessage, Message, SystemMessage, ToolMessage, UserMessage

WHO = {"assistant": "agent", "user": "customer"}
SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "verdicts",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {
                "verdicts": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "number": {"type": "integer"},
                            "reason": {"type": "string"},
                            "met": {"type": "boolean"},
                        },
                        "required": ["number", "reason", "met"],
                        "additionalProperties": False,
                    },
                }
            },
            "required": ["verdicts"],
            "additionalProperties": False,
        },
    },
}


class _Verdict(BaseModel):
    model_config = ConfigDict(strict=True)

    number: int
    reason: str
    met: bool


class _Answer(BaseModel):
    verdicts: list[_Verdict]


class UnusableAnswerError(ValueError):
    """The judge's answer is not what was asked for."""


async def judge(model: Model, messages: Sequence[Message], statements: Sequence[str]) -> Judgement:
    """Decide the statements. A malformed answer is sent back once with what is wrong; failure is in the judgement."""
    numbered = "\n".join(f"{number}. {statement}" for number, statement in enumerate(statements, 1))
    question = f"Transcript:\n\n{transcript(messages)}\n\nStatements:\n\n{numbered}"
    chat = [{"role": "system", "content": own_prompt("judge")}, {"role": "user", "content": question}]
    try:
        answer = text_of(await model.complete(chat, response_format=SCHEMA)) or ""
        try:
            return Judgement(statements=read_answer(answer, statements))
        except UnusableAnswerError as error:
            complaint = f"That cannot be used: {error}. Answer again, with the JSON object alone."
            chat += [{"role": "assistant", "content": answer or "(empty)"}, {"role": "user", "content": complaint}]
            answer = text_of(await model.complete(chat, response_format=SCHEMA)) or ""
            return Judgement(statements=read_answer(answer, statements))
    except (ModelError, UnusableAnswerError) as error:
        return Judgement(error=str(error))


async def probe(model: Model) -> str:
    """Let the judge decide something simple; return what is wrong with its answer, "" if nothing."""
    said: list[Message] = [
        AssistantMessage(content="Hello, what can I do for you?"),
        UserMessage(content="Nothing, thank you."),
    ]
    return (await judge(model, said, ["The agent greets the customer."])).error


def transcript(messages: Sequence[Message]) -> str:
    """Write a conversation for the judge: what was said, what was called, and what came back.

    It is JSON, one object a line, so that nobody can forge a line by what they write.
    """
    lines: list[dict[str, Any]] = []
    for message in messages:
        if isinstance(message, ToolMessage):
            lines.append({f"answer to {WHO[message.requestor]}": message.content})
        elif not isinstance(message, SystemMessage):
            who = WHO[message.role]
            lines += [{f"{who} calls": call.name, "arguments": call.arguments} for call in message.tool_calls or []]
            if message.content:
                lines.append({who: message.content} | ({"delivered": False} if message.tool_calls else {}))
    return "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)


def read_answer(answer: str, statements: Sequence[str]) -> list[JudgedStatement]:
    """Read the judge's JSON, in a code fence or not; each statement needs a verdict. Raises UnusableAnswerError."""
    text = answer.strip()
    if text.startswith("```"):
        text = text.strip("`").removeprefix("json").strip()
    try:
        verdicts = _Answer.model_validate(from_json(text)).verdicts
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        raise UnusableAnswerError(f"{'.'.join(str(part) for part in detail['loc'])}: {detail['msg']}") from error
    except ValueError as error:
        raise UnusableAnswerError(f"not JSON: {error}") from error
    by_number = {verdict.number: verdict for verdict in verdicts}
    missing = [number for number in range(1, len(statements) + 1) if number not in by_number]
    if missing or len(verdicts) != len(statements):
        raise UnusableAnswerError(
            f"{len(statements)} statements need one verdict each; missing: {missing}, given: {len(verdicts)}"
        )
    return [
        JudgedStatement(statement=statement, met=by_number[number].met, reason=by_number[number].reason)
        for number, statement in enumerate(statements, 1)
    ]
