"""Errors that are seeded into the example, with the problems that `check` must report."""

from __future__ import annotations

from typing import Any

import pytest

from tests.families.heating import (
    FAMILIES,
    example_files,
)


def seed(message: str, old: str, new: str, *, blamed: str = "", file: str = FAMILIES) -> Any:
    """An error: a piece of the example and its replacement, the expected problem, and its line.

    The line is the first that the replacement changes, unless `blamed` names another.
    """
    return pytest.param(message, old, new, blamed, file, id=message)


CLOSED = "    setup: [{env_type: user, func_name: close_valve}]\n    fix: [{requestor: user, name: open_valve}]\n"
UNSOLVABLE = example_files()[FAMILIES].partition("    unsolvable:    ")
DECLARED = [
    # names
    seed("family 'cold_home': there is no block 'thermo'", "- [thermostat_low]", "- [thermo]"),
    seed("family 'cold_home': there is no persona 'bris'", "[none, brisk,", "[none, bris,"),
    seed("no family uses block 'spare'", "personas:\n", "  spare: {fix: [{name: start_delivery}]}\npersonas:\n"),
    seed("no family uses persona 'spare'", "  none: null\n", "  spare: Nobody.\n  none: null\n"),
    seed("persona 'spare' should be a text, or null, not 5", "  none: null\n", "  spare: 5\n  none: null\n"),
    seed("'valve|closed' is not a valid name for an entry of `blocks`", "  valve_closed:", "  valve|closed:"),
    seed("blocks.thermostat_low.abut: there is no such key", "    about: The", "    abut: The"),
    seed("famlies: there is no such key", "families:\n", "famlies: {}\nfamilies:\n"),
    seed("blocks: should be a mapping of names", "blocks:  ", "blocks: []\nblock:  "),
    seed("no families file matches", "families/*.yaml", "family/*.yaml", file="domain.yaml"),
    seed(
        "tasks: Value error, name `files`, `families` or both",
        "families: families/*.yaml, splits",
        "splits",
        file="domain.yaml",
    ),
    # composition
    seed(
        "family 'cold_home' selects block 'water_low' twice",
        "- [thermostat_low]\n",
        "- [thermostat_low, water_low]\n",
        blamed="- [water_low, pump",
    ),
    seed(
        "family 'cold_home': block 'valv' of `at_least_one_of` is in no line of `select`",
        "at_least_one_of: [valve_closed",
        "at_least_one_of: [valv, valve_closed",
    ),
    seed(
        "family 'cold_home' has no tasks",
        "at_least_one_of: [valve_closed, water_low, pump_broken, not_delivered]",
        "at_least_one_of: []",
        blamed="  cold_home:",
    ),
    # blocks that contradict themselves
    seed(
        "block 'valve_closed' has no fix", "fix: [{requestor: user, name: open", "fix: [] #", blamed="  valve_closed:"
    ),
    seed(
        "block 'pump_broken' is unsolvable, but it has a fix",
        "    setup: [{env_type: user, func_name: break_pump}]\n",
        "    fix: [{requestor: user, name: refill}]\n",
    ),
    seed(
        "block 'valve_closed' has a fix, so it needs no `found_by`",
        "    setup: [{env_type: user, func_name: close_valve}]\n",
        "    found_by: [{requestor: user, name: look_at_pump}]\n",
    ),
    seed("block 'pump_broken': the user has no tool 'look_at'", "name: look_at_pump", "name: look_at"),
    seed(
        "family 'cold_home' selects block 'pump_broken', which has no fix, but has no section `unsolvable`",
        UNSOLVABLE[1] + UNSOLVABLE[2],
        "",
        blamed="    select:",
    ),
    seed(
        "family 'cold_home' has a section `unsolvable`, but selects no unsolvable block",
        "water_low, pump_broken]\n",
        "water_low]\n",
        blamed=UNSOLVABLE[1],
    ),
    # parts that a family's task must not define
    seed("family 'cold_home': `id` is not allowed here", "      outcome: done", "      id: cold\n      outcome: done"),
    seed(
        "family 'cold_home': `initial_state.initialization_actions` is not allowed here",
        "      outcome: done",
        "      initial_state: {initialization_actions: []}\n      outcome: done",
    ),
    seed(
        "family 'cold_home': `evaluation_criteria.actions` is not allowed here",
        "env_assertions: [{env_type: user, func_name: is_warm}]",
        "actions: []",
    ),
    seed("families.cold_home.task.outcome: Input should be 'done',", "outcome: done", "outcome: well"),
    seed("families.cold_home.unsolvable.outcome: Input should be 'done',", "outcome: transferred", "outcome: well"),
    # calls
    seed("block 'valve_closed': the user side has no function 'close'", "func_name: close_valve", "func_name: close"),
    seed("block 'valve_closed': the user has no tool 'open'", "name: open_valve", "name: open"),
    seed(
        "block 'thermostat_low': set_thermostat: degrees: 31 is greater than the maximum of 30",
        "degrees: 21",
        "degrees: 31",
    ),
    seed(
        "block 'thermostat_low': set_thermostat: Additional properties are not allowed ('degree'",
        "degrees: 12",
        "degree: 12",
    ),
    seed(
        "block 'thermostat_low': drain is of kind 'setup', not an assertion",
        "[{env_type: user, func_name: is_warm, assert_value: false}]      #",
        "[{env_type: user, func_name: drain}]      #",
    ),
    seed(
        "block 'not_delivered': the user side has no function 'is_delivered'",
        "assertions: [{env_type: assistant, func_name: is_delivered}]",
        "assertions: [{env_type: user, func_name: is_delivered}]",
    ),
    seed(
        "family 'cold_home': the user side has no function 'warm_up'",
        "setup: []",
        "setup: [{env_type: user, func_name: warm_up}]",
    ),
    seed(
        "family 'cold_home': the user side has no function 'is_hot'",
        "env_assertions: [{env_type: user, func_name: is_warm}]",
        "env_assertions: [{env_type: user, func_name: is_hot}]",
    ),
    seed(
        "family 'cold_home': the assistant has no tool 'transfer'",
        "name: transfer_to_human_agents",
        "name: transfer",
    ),
    seed(
        "family 'cold_home': transfer_to_human_agents: Additional properties are not allowed",
        "{summary: The pump is broken.}",
        "{sumary: The pump is broken.}",
    ),
    seed("family 'cold_home': the customer has no tool 'ax'", "outcome: done", "user_tools: [ax]\n      outcome: done"),
    seed(
        "family 'cold_home': ENV_ASSERTION is in its reward basis, but it specifies nothing for it",
        "env_assertions: [{env_type: user, func_name: is_warm}]",
        "env_assertions: []",
        blamed="      evaluation_criteria:",
    ),
    # texts
    seed(
        "family 'cold_home': a text uses 'pumps', which task 'cold_home[valve_closed]' does not define",
        "is {{ pump }}",
        "is {{ pumps }}",
    ),
    seed(
        "family 'cold_home': a text uses 'pump', which task 'cold_home[valve_closed]' does not define",
        "facts: {pump: humming}",
        "facts: {}",
        blamed="is {{ pump",
    ),
    seed("a text of family 'cold_home' cannot be rendered: expected name or number", "is {{ pump }}", "is {{ pump"),
    seed("a text of family 'cold_home' cannot be rendered: ", "is {{ pump }}", "is {{ pump + 1 }}"),
    seed(
        "family 'cold_home': 'blocks' is already defined for every text",
        "facts: {pump: humming}",
        "facts: {pump: humming, blocks: many}",
    ),
    seed(
        "block 'water_low': 'persona' is already defined for every text",
        "facts: {pump: silent}",
        "facts: {pump: silent, persona: odd}",
    ),
    seed(
        "family 'cold_home': blocks 'valve_closed' and 'water_low' give fact 'pump' different values",
        "    setup: [{env_type: user, func_name: close_valve}]",
        "    setup: [{env_type: user, func_name: close_valve}]\n    facts: {pump: loud}",
        blamed="facts: {pump: silent}",
    ),
]
PLAYED = [
    seed(
        "block 'valve_closed': is_warm does not hold after the set-up of task 'cold_home[",
        "func_name: close_valve",
        "func_name: is_warm",
        blamed="broken: &cold",
    ),
    seed(
        "passes without open_valve()",
        f"{CLOSED}    broken: *cold\n",
        CLOSED.partition("\n")[2],
    ),
    seed(
        "is_warm is not met after the gold calls, so no agent can pass",
        "name: open_valve",
        "name: refill",
        blamed="env_assertions: [{env_type: user, func_name: is_warm}]",
    ),
    seed(
        "passes without restart_pump()", "name: open_valve}", "name: open_valve}, {requestor: user, name: restart_pump}"
    ),
    seed(
        "its assertions hold at the start, so nothing is broken",
        "env_assertions: [{env_type: user, func_name: is_warm}]",
        "env_assertions: [{env_type: assistant, func_name: is_delivered}]",
    ),
    seed(
        "is_warm is not met after the gold calls, so no agent can pass",
        "env_assertions: [{env_type: user, func_name: is_warm, assert_value: false}]",
        "env_assertions: [{env_type: user, func_name: is_warm}]",
    ),
    seed(
        "passes without transfer_to_human_agents(summary='The pump is broken.')",
        "reward_basis: [ENV_ASSERTION, ACTION]",
        "reward_basis: [ENV_ASSERTION]",
        blamed="actions: [{name: transfer",
    ),
    seed("its outcome is 'done', but its gold calls a tool that transfers", "outcome: transferred", "outcome: done"),
    seed(
        "its start state cannot be set up: initialization action set_thermostat failed",
        "setup: []",
        "setup: [{env_type: user, func_name: set_thermostat}]",
        blamed="  cold_home:",
    ),
]
