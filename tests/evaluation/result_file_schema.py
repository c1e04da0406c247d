"""What the official loader requires of a result file (spec/evaluation.md, 1, 5 and 8), as a JSON schema.

tau2-bench ignores keys that are not named, except those of `reward_breakdown`.
"""

from __future__ import annotations

from typing import Any

CRITERIA = ["DB", "ENV_ASSERTION", "NL_ASSERTION", "ACTION", "COMMUNICATE"]
ENDS = [
    *("user_stop", "agent_stop", "max_steps", "timeout", "too_many_errors", "agent_error", "user_error"),
    *("infrastructure_error", "context_window_exceeded", "unexpected_error"),
]


def text() -> dict[str, Any]:
    return {"type": "string"}


def nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def listed(schema: dict[str, Any]) -> dict[str, Any]:
    return nullable({"type": "array", "items": schema})


def record(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": {**required, **(optional or {})}}


NUMBER, INTEGER, BOOL, OBJECT = {"type": "number"}, {"type": "integer"}, {"type": "boolean"}, {"type": "object"}
SIDE = {"enum": ["assistant", "user"]}
ACTION = record(
    {"action_id": text(), "name": text(), "arguments": OBJECT},
    {"requestor": SIDE, "info": nullable(text()), "compare_args": listed(text())},
)
FUNCTION = {"env_type": SIDE, "func_name": text(), "arguments": OBJECT}
ASSERTION = record(FUNCTION, {"assert_value": BOOL, "message": nullable(text())})
CALL = record({"name": text(), "arguments": OBJECT}, {"id": text(), "requestor": SIDE})
SPOKEN = {
    "content": nullable(text()),
    "tool_calls": listed(CALL),
    "turn_idx": nullable(INTEGER),
    "timestamp": nullable(text()),
    "cost": nullable(NUMBER),
    "usage": nullable(OBJECT),
    "raw_data": nullable(OBJECT),
}
TOLD = {"content": nullable(text()), "requestor": SIDE, "error": BOOL, "turn_idx": nullable(INTEGER)}
MESSAGE = {
    "oneOf": [
        record({"role": {"enum": ["assistant", "user"]}}, SPOKEN),
        record({"role": {"const": "tool"}, "id": text()}, TOLD),
        record({"role": {"const": "system"}}, {"content": nullable(text())}),
    ]
}
INSTRUCTIONS = record(
    {"domain": text(), "reason_for_call": text(), "task_instructions": text()},
    {"known_info": nullable(text()), "unknown_info": nullable(text())},
)
TASK = record(
    {
        "id": text(),
        "user_scenario": record(
            {"instructions": {"anyOf": [text(), INSTRUCTIONS]}},
            {"persona": nullable(text())},
        ),
    },
    {
        "ticket": nullable(text()),
        "initial_state": nullable(
            record({}, {"initialization_actions": listed(record(FUNCTION)), "message_history": listed(MESSAGE)})
        ),
        "evaluation_criteria": nullable(
            record(
                {},
                {
                    "actions": listed(ACTION),
                    "env_assertions": listed(ASSERTION),
                    "communicate_info": listed(text()),
                    "nl_assertions": listed(text()),
                    "reward_basis": {"type": "array", "items": {"enum": CRITERIA}},
                },
            )
        ),
        "user_tools": listed(text()),
        "required_documents": listed(text()),
    },
)
REWARD = record(
    {"reward": NUMBER},
    {
        "db_check": nullable(record({"db_match": BOOL, "db_reward": NUMBER})),
        "env_assertions": listed(record({"env_assertion": ASSERTION, "met": BOOL, "reward": NUMBER})),
        "action_checks": listed(
            record(
                {"action": ACTION, "action_match": BOOL, "action_reward": NUMBER},
                {"tool_type": {"enum": ["read", "write", "think", "generic", None]}},
            )
        ),
        "communicate_checks": listed(record({"info": text(), "met": BOOL, "justification": text()})),
        "nl_assertions": listed(record({"nl_assertion": text(), "met": BOOL, "justification": text()})),
        "reward_basis": listed({"enum": CRITERIA}),
        "reward_breakdown": nullable(
            {"type": "object", "propertyNames": {"enum": CRITERIA}, "additionalProperties": NUMBER}
        ),
        "info": nullable(OBJECT),
    },
)
SIMULATION = record(
    {
        **dict.fromkeys(("id", "task_id", "start_time", "end_time"), text()),
        "duration": NUMBER,
        "termination_reason": {"enum": ENDS},
    },
    {
        "reward_info": nullable(REWARD),
        "messages": listed(MESSAGE),
        "agent_cost": nullable(NUMBER),
        "user_cost": nullable(NUMBER),
        "trial": nullable(INTEGER),
        "seed": nullable(INTEGER),
        "mode": {"const": "half_duplex"},
        "ticks": {"type": "null"},
        "info": nullable(OBJECT),
        "policy": nullable(text()),
    },
)
PLAYER = record({"implementation": text()}, {"llm": nullable(text()), "llm_args": nullable(OBJECT)})
INFO = record(
    {
        "git_commit": text(),
        **dict.fromkeys(("num_trials", "max_steps", "max_errors"), INTEGER),
        "user_info": PLAYER,
        "agent_info": PLAYER,
        "environment_info": record({"domain_name": text(), "policy": text()}, {"tool_defs": nullable(OBJECT)}),
    },
    {"seed": nullable(INTEGER), "retrieval_config": nullable(text())},
)
RESULTS = record({"info": INFO, "tasks": {"type": "array", "items": TASK}}, {"simulations": listed(SIMULATION)})
