"""ACTION, strict: every gold call was made by the right side with all its arguments, compared by meaning."""

from __future__ import annotations

from tau2_core.evaluators.action import all_calls, near_miss
from tau2_core.evaluators.semantic_comparison import ComparisonRules, normalised
from tau2_core.model.evaluation import Check, Evidence, Status, Verdict
from tau2_core.model.messages import ToolCall
from tau2_core.model.tasks import Action
from tau2_core.model.tools import Tool, role_of


def evaluate(evidence: Evidence) -> Verdict:
    """Look for each gold call among the calls of its side. A write counts for one gold call only."""
    actions = evidence.task.gold()
    if not actions:
        return Verdict(criterion="ACTION", status=Status.VACUOUS, reward=1.0)
    left = all_calls(evidence.record.messages, evidence.tools)
    checks = []
    for action in actions:
        tool = evidence.tools(role_of(action.requestor)).get(action.name)
        found = next((call for call in left if made(action, call, tool, solo=evidence.record.solo)), None)
        if found is not None and (tool is None or tool.mutates):
            left.remove(found)  # a repeated write must be made repeatedly, unlike a read
        near = [{"made": call.arguments} for call in left if call.name == action.name] if found is None else []
        why = "" if found else near_miss(len(near)) if near else "never called"
        checks.append(Check(what=f"{action.action_id}: {action.text()}", met=found is not None, why=why, evidence=near))
    met = all(check.met for check in checks)
    return Verdict(criterion="ACTION", status=Status.GRADED, reward=float(met), checks=checks)


def made(action: Action, call: ToolCall, tool: Tool | None, *, solo: bool = False) -> bool:
    """Tell whether a call matches a gold call: side, name, and the compared arguments (by default all)."""
    if action.name != call.name or (action.requestor != call.requestor and not solo):
        return False
    keys = action.compare_args if action.compare_args is not None else [*action.arguments, *call.arguments]
    optional = set(tool.parameters["properties"]) - set(tool.parameters["required"]) if tool else set()
    for key in keys:
        if key in optional and key not in action.arguments:
            continue
        wanted = normalised(action.arguments.get(key), (), ComparisonRules())
        given = normalised(call.arguments.get(key), (), ComparisonRules())
        if wanted != given or type(wanted) is not type(given):
            return False
    return True
