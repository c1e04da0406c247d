"""Reading the rules of a pack's policy."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from tau2_core.model.policy_rules import ALL, CUSTOMER, PolicyRule
from tau2_core.model.tools import Tool
from tau2_core.name_suggestions import did_you_mean
from tau2_core.packs.problems import Problems
from tau2_core.packs.yaml_source import Place
from tau2_core.problem_kinds import ProblemKind


def read_policy_rules(
    file: Path, tools: Mapping[str, Tool], unbound: Collection[str], named_by: Place, problems: Problems
) -> list[PolicyRule]:
    """Read a pack's rules. Wrong rules are noted and left out.

    `unbound` are declared tools without a handler, which is already noted; rules may name them.
    """
    document = problems.read(file, named_by=named_by.source())
    if document is None:
        return []
    if not isinstance(document.value, list):
        problems.add(file, ProblemKind.WRONG_SHAPE, "should be a list of rules", line=1)
        return []
    rules: list[PolicyRule] = []
    for index, value in enumerate(document.value):
        rule = problems.validate(PolicyRule, document, value, (index,))
        if rule is None:
            continue
        place = Place(document, (index,))
        if rule.name in {other.name for other in rules}:
            problems.at(
                place.source("name"),
                ProblemKind.POLICY_RULE,
                f"rule {rule.name!r} occurs twice",
                hint="rename one of them",
            )
        _check_names(rule, tools, unbound, place, problems)
        rules.append(rule)
    return rules


def _check_names(
    rule: PolicyRule, tools: Mapping[str, Tool], unbound: Collection[str], place: Place, problems: Problems
) -> None:
    for key, names in (("tools", rule.tools), ("but", rule.but), ("after", rule.after)):
        known: Collection[str] = {*tools, *unbound, *([ALL] if key == "tools" else [])}
        for index, name in enumerate(names):
            if name not in known:
                what = f"rule {rule.name!r}: the agent has no tool {name!r}"
                problems.at(place.source(key, index), ProblemKind.POLICY_RULE, what, hint=did_you_mean(name, tools))
    concerned = [tool for name, tool in tools.items() if rule.concerns(name)]
    parameters = {name for tool in concerned for name in tool.parameters["properties"]}
    for argument, sources in rule.known.items():
        if argument not in parameters and not unbound:
            what = f"rule {rule.name!r}: none of its tools has a parameter {argument!r}"
            problems.at(
                place.source("known", argument), ProblemKind.POLICY_RULE, what, hint=did_you_mean(argument, parameters)
            )
        for index, name in enumerate(sources):
            if name != CUSTOMER and name not in tools and name not in unbound:
                what = f"rule {rule.name!r}: the agent has no tool {name!r}"
                hint = did_you_mean(name, {*tools, CUSTOMER})
                problems.at(place.source("known", argument, index), ProblemKind.POLICY_RULE, what, hint=hint)
