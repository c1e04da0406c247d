"""ACTION: every gold call must have been made by either side, in any order (spec/evaluation.md, 3.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tau2_core.model.evaluation import Check, Evidence, Status, Verdict
from tau2_core.model.messages import AssistantMessage, Message, ToolCall, UserMessage
from tau2_core.model.tasks import Action
from tau2_core.model.tools import Role, Tool, role_of


def evaluate(evidence: Evidence) -> Verdict:
    """Look for each gold call among all calls, including failed ones; the evidence is the closest call."""
    actions = evidence.task.gold()
    if not actions:
        return Verdict(criterion="ACTION", status=Status.VACUOUS, reward=1.0)
    calls = all_calls(evidence.record.messages, evidence.tools)
    checks = [_check(action, calls) for action in actions]
    met = all(check.met for check in checks)
    return Verdict(criterion="ACTION", status=Status.GRADED, reward=float(met), checks=checks)


def all_calls(
    messages: Sequence[Message], tools: Callable[[Role], Mapping[str, Tool]] = lambda _role: {}
) -> list[ToolCall]:
    """Return the calls of both sides, in order.

    Given the `tools` of each side, a call of a hidden tool by its own name counts as a call of the calling tool, which
    is how the gold makes it.
    """
    return [
        as_gold_makes_it(call, tools(role_of(call.requestor)).get(call.name))
        for message in messages
        if isinstance(message, AssistantMessage | UserMessage)
        for call in message.tool_calls or []
    ]


def as_gold_makes_it(call: ToolCall, tool: Tool | None) -> ToolCall:
    """Return the call that a call counts as: for a hidden tool called by its own name, that of the calling tool."""
    if tool is None or tool.through is None:
        return call
    arguments = tool.through.call_of(call.name, call.arguments)
    return call.model_copy(update={"name": tool.through.tool, "arguments": arguments})


def matches(action: Action, call: ToolCall) -> bool:
    """Tell whether a call matches a gold call, by the official rule.

    Without `compare_args` the keys of the *call* are compared, so a call that omits arguments matches, and one with a
    key that the gold lacks never does. A key that both lack counts as equal.
    """
    if action.name != call.name:
        return False
    keys = list(call.arguments) if action.compare_args is None else action.compare_args
    made = {key: value for key, value in call.arguments.items() if key in keys}
    wanted = {key: value for key, value in action.arguments.items() if key in keys}
    return made == wanted


def _check(action: Action, calls: Sequence[ToolCall]) -> Check:
    met = any(matches(action, call) for call in calls)
    what = f"{action.action_id}: {action.text()}" if action.action_id else action.text()
    near = [] if met else [{"made": call.arguments} for call in calls if call.name == action.name]
    why = "" if met else near_miss(len(near)) if near else "never called"
    return Check(what=what, met=met, why=why, evidence=near)


def near_miss(calls: int) -> str:
    """Return a text saying that a tool was called, but with other arguments."""
    return f"called {'once' if calls == 1 else f'{calls} times'}, but with other arguments"
