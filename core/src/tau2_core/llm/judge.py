"""The judge: a model decides natural-language assertions from the transcript, one verdict per statement."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from tau2_core.llm.chat import text_of
from tau2_core.llm.prompts import own_prompt
from tau2_core.model.evaluation import JudgedStatement, Judgement
from tau2_core.model.llm import Model, ModelError
from tau2_core.model.messages import AssistantMessage, Message, SystemMessage, ToolMessage, UserMessage
from tau2_core.validation_errors import first_wrong_part

WHO = {"assistant": "agent", "user": "customer"}
QUESTION = "Transcript:\n\n<transcript>\n{transcript}\n</transcript>\n\nStatements:\n\n{statements}"
# Written as JSON escapes, so that no text can end the transcript, or look like a line of its own to a model.
_ESCAPED = str.maketrans({each: f"\\u{ord(each):04x}" for each in "<\x7f\x85\u2028\u2029"})
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
    """The judge's answer does not have the requested form."""


async def judge(model: Model, messages: Sequence[Message], statements: Sequence[str]) -> Judgement:
    """Decide the statements. A malformed answer is sent back once with the error; failures are in the judgement."""
    numbered = "\n".join(f"{number}. {statement}" for number, statement in enumerate(statements, 1))
    question = QUESTION.format(transcript=transcript(messages), statements=numbered)
    chat = [{"role": "system", "content": own_prompt("judge")}, {"role": "user", "content": question}]
    try:
        answer = text_of(await model.complete(chat, response_format=SCHEMA)) or ""
        try:
            return Judgement(statements=read_verdicts(answer, statements))
        except UnusableAnswerError as error:
            complaint = f"That cannot be used: {error}. Answer again, with the JSON object alone."
            chat += [{"role": "assistant", "content": answer or "(empty)"}, {"role": "user", "content": complaint}]
            answer = text_of(await model.complete(chat, response_format=SCHEMA)) or ""
            return Judgement(statements=read_verdicts(answer, statements))
    except (ModelError, UnusableAnswerError) as error:
        return Judgement(error=str(error))


async def probe(model: Model) -> str:
    """Let the judge decide a simple statement; return the error, "" on success."""
    said: list[Message] = [
        AssistantMessage(content="Hello, what can I do for you?"),
        UserMessage(content="Nothing, thank you."),
    ]
    return (await judge(model, said, ["The agent greets the customer."])).error


def transcript(messages: Sequence[Message], *, numbered: bool = False) -> str:
    """Return a conversation for the judge: messages, calls and results.

    It is one JSON object per line without `<`, so that a message can forge neither a line nor the transcript's end.
    `numbered` lines begin with the index of their message.
    """
    lines: list[dict[str, Any]] = []
    for index, message in enumerate(messages):
        place = {"message": index} if numbered else {}
        if isinstance(message, ToolMessage):
            lines.append({**place, f"answer to {WHO[message.requestor]}": message.content})
        elif not isinstance(message, SystemMessage):
            who = WHO[message.role]
            calls = message.tool_calls or []
            lines += [{**place, f"{who} calls": call.name, "arguments": call.arguments} for call in calls]
            if message.content:
                lines.append({**place, who: message.content} | ({"delivered": False} if calls else {}))
    return "\n".join(json.dumps(line, ensure_ascii=False).translate(_ESCAPED) for line in lines)


def read_verdicts(answer: str, statements: Sequence[str]) -> list[JudgedStatement]:
    """Read the judge's JSON, also from a code fence or between sentences. Each statement needs a verdict.

    Raises UnusableAnswerError, also if the answer contains two objects with verdicts, or a duplicate key.
    """
    try:
        verdicts = _Answer.model_validate(read_object(answer, "verdicts")).verdicts
    except ValidationError as error:
        raise UnusableAnswerError(first_wrong_part(error)) from error
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


def read_object(answer: str, key: str) -> Any:
    """Return the answer as JSON, or the only object in it that has a key. Raises UnusableAnswerError."""
    text = answer.strip().removeprefix("\ufeff").strip()
    try:
        return _DECODER.decode(text)
    except UnusableAnswerError:
        raise
    except (ValueError, RecursionError) as error:
        wrong = error
    found = []
    at = text.find("{")
    while at >= 0:
        try:
            value, end = _DECODER.raw_decode(text, at)
        except json.JSONDecodeError:
            value, end = None, at + 1
        except RecursionError as error:
            raise UnusableAnswerError("not JSON: it is nested too deeply") from error
        if isinstance(value, dict) and key in value:
            found.append(value)
        at = text.find("{", end)
    if len(found) > 1:
        raise UnusableAnswerError(f"{len(found)} objects with {key} instead of one")
    if not found:
        raise UnusableAnswerError(f"not JSON: {wrong}")
    return found[0]


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UnusableAnswerError(f"the key {twice!r} occurs twice in one object")
    return dict(pairs)


_DECODER = json.JSONDecoder(object_pairs_hook=_distinct)
