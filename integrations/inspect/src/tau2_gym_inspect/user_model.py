"""Models of Inspect as models of our simulated customer, so that Inspect limits, caches and logs their calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from inspect_ai.model import Model, messages_from_openai, messages_to_openai
from inspect_ai.tool import ToolInfo, ToolParams
from inspect_ai.util import LimitExceededError
from tau2_core.model.llm import Completion, ModelError, ModelFailure

FINISH_REASONS = {"max_tokens": "length", "model_length": "length"}


class CustomerModel:
    """A model of Inspect that answers chat-completions messages. `exceeded` is the limit that stopped it, if any."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.exceeded: LimitExceededError | None = None

    async def complete(
        self, messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]] = (), **_options: Any
    ) -> Completion:
        """Answer messages. Raises ModelError if the model cannot be reached."""
        offered = [_tool(each["function"]) for each in tools]
        try:
            given = await messages_from_openai([*messages])
            output = await self.model.generate(given, tools=offered)
        except LimitExceededError as error:  # a limit of the task, not an error of the customer
            self.exceeded = error
            raise ModelError(ModelFailure.TIMEOUT, str(error)) from error
        except Exception as error:
            raise ModelError(ModelFailure.SERVER, f"{type(error).__name__}: {error}") from error
        (message,) = await messages_to_openai([output.message])
        usage = output.usage
        counts = usage and {"prompt_tokens": usage.input_tokens, "completion_tokens": usage.output_tokens}
        reason = FINISH_REASONS.get(output.stop_reason, output.stop_reason)
        return Completion(message=dict(message), finish_reason=reason, usage=counts)


def _tool(function: dict[str, Any]) -> ToolInfo:
    return ToolInfo(
        name=function["name"],
        description=function["description"],
        parameters=ToolParams.model_validate(function["parameters"]),
    )
