"""Attributes by OpenTelemetry's semantic conventions for generative AI (semantic-conventions-genai 0.1.0).

Names that begin with `tau2.` are ours: the conventions have none for tasks, trials and verdicts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.util.types import AttributeValue
from tau2_core import Grade, Message, ModelSettings, Tool
from tau2_core.model.llm import AGENT_PROVIDER

OPERATION = "gen_ai.operation.name"
CONVERSATION = "gen_ai.conversation.id"
AGENT = "gen_ai.agent.name"
INPUT, OUTPUT = "gen_ai.input.messages", "gen_ai.output.messages"
INSTRUCTIONS, DEFINITIONS = "gen_ai.system_instructions", "gen_ai.tool.definitions"
ARGUMENTS, RESULT = "gen_ai.tool.call.arguments", "gen_ai.tool.call.result"
ERROR = "error.type"
EVALUATION = "gen_ai.evaluation.result"
PROVIDERS = {  # the conventions' names of providers, where they differ from litellm's
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "vertex_ai": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
SAMPLING = {  # the arguments of requests that have their own attribute, and their types
    "temperature": float,
    "top_p": float,
    "top_k": int,
    "max_tokens": int,
    "seed": int,
    "frequency_penalty": float,
    "presence_penalty": float,
}

Attributes = dict[str, AttributeValue]


def operation_of(settings: ModelSettings) -> str:
    """Return `chat`, or `invoke_agent` for an agent that is reached as if it were a model."""
    return "invoke_agent" if settings.model.startswith(f"{AGENT_PROVIDER}/") else "chat"


def request_attributes(settings: ModelSettings, options: Mapping[str, Any]) -> Attributes:
    """Return the attributes of a request to a model: its parameters and the server."""
    provider, slash, name = settings.model.partition("/")
    found: Attributes = {
        OPERATION: operation_of(settings),
        "gen_ai.provider.name": PROVIDERS.get(provider, provider) if slash else "openai",
        "gen_ai.request.model": name if slash else provider,
    }
    arguments = {**settings.deciding_args(), **options}
    for argument, kind in SAMPLING.items():
        value = arguments.get(argument)
        if isinstance(value, int | float) and not isinstance(value, bool):
            found[f"gen_ai.request.{argument}"] = kind(value)
    place = urlsplit(str(settings.args.get("api_base") or settings.args.get("base_url") or ""))
    if place.hostname:
        found["server.address"] = place.hostname
        found["server.port"] = place.port or (443 if place.scheme == "https" else 80)
    return found


def answer_attributes(usage: Mapping[str, Any] | None, finish_reason: str | None, cost: float | None) -> Attributes:
    """Return the attributes of a model's answer. The conventions have none for dollars."""
    found: Attributes = {}
    for ours, theirs in (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens")):
        if isinstance(count := (usage or {}).get(ours), int):
            found[f"gen_ai.usage.{theirs}"] = count
    if finish_reason:
        found["gen_ai.response.finish_reasons"] = [sendable(finish_reason)]
    if cost is not None and usage:
        found["tau2.cost"] = cost
    return found


def evaluations(grade: Grade) -> Iterator[Attributes]:
    """Yield the attributes of an event for each verdict of a grade, and for the reward."""
    label = grade.outcome.value
    yield _evaluation("reward", grade.reward, label, grade.note)
    for criterion, verdict in grade.verdicts.items():
        unmet = [f"{check.what}: {check.why}" if check.why else check.what for check in verdict.checks if not check.met]
        word = verdict.status.value if verdict.reward is None else ("pass" if verdict.met else "fail")
        found = _evaluation(criterion, verdict.reward, word, "; ".join(unmet))
        yield found | {"tau2.evaluation.counts": criterion in grade.basis}


def _evaluation(name: str, value: float | None, label: str, explanation: str) -> Attributes:
    found: Attributes = {"gen_ai.evaluation.name": name, "gen_ai.evaluation.score.label": label}
    if value is not None:
        found["gen_ai.evaluation.score.value"] = float(value)
    if explanation:
        found["gen_ai.evaluation.explanation"] = sendable(explanation)
    return found


def chat_messages(messages: Iterable[Mapping[str, Any]]) -> str:
    """Return chat-completions messages as the conventions write them, as JSON; without the system message."""
    return as_json([_chat_message(each) for each in messages if each.get("role") != "system"])


def chat_instructions(messages: Iterable[Mapping[str, Any]]) -> str:
    """Return the system messages as JSON."""
    return instructions(*(str(each["content"]) for each in messages if each.get("role") == "system"))


def answer_message(message: Mapping[str, Any], finish_reason: str | None) -> str:
    """Return the one message that answers a request, as JSON."""
    said = {"role": "assistant", **{key: value for key, value in message.items() if key != "role"}}
    return as_json([{**_chat_message(said), "finish_reason": finish_reason or "stop"}])


def instructions(*texts: str) -> str:
    """Return system instructions as JSON."""
    return as_json([{"type": "text", "content": text} for text in texts])


def definitions(tools: Iterable[Tool]) -> str:
    """Return the definitions of tools as JSON."""
    return chat_definitions(tool.chat_function() for tool in tools)


def chat_definitions(functions: Iterable[Mapping[str, Any]]) -> str:
    """Return chat-completions functions as JSON."""
    return as_json([{"type": "function", **each["function"]} for each in functions])


def recorded_message(message: Message, as_role: str) -> dict[str, Any]:
    """Return a message of a record as a message of the conventions."""
    parts: list[dict[str, Any]] = [{"type": "text", "content": message.content}] if message.content else []
    parts += [
        {"type": "tool_call", "id": call.id, "name": call.name, "arguments": call.arguments}
        for call in getattr(message, "tool_calls", None) or ()
    ]
    return {"role": as_role, "parts": parts}


def as_json(value: object) -> str:
    """Return JSON text, for attributes that have structure."""
    return sendable(json.dumps(value, ensure_ascii=False, default=str))


def sendable(text: str) -> str:
    """Return a text without lone surrogates, which OTLP cannot carry; a model may have written them."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _chat_message(message: Mapping[str, Any]) -> dict[str, Any]:
    role = str(message.get("role"))
    if role == "tool":
        part = {"type": "tool_call_response", "id": message.get("tool_call_id"), "response": message.get("content")}
        return {"role": role, "parts": [part]}
    parts: list[dict[str, Any]] = []
    if message.get("content"):
        parts.append({"type": "text", "content": message["content"]})
    parts += map(_tool_call, message.get("tool_calls") or ())
    return {"role": role, "parts": parts}


def _tool_call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function") or {}
    given = _arguments(function.get("arguments"))
    return {"type": "tool_call", "id": call.get("id"), "name": function.get("name"), "arguments": given}


def _arguments(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text  # the model's text is not JSON; show it unchanged
