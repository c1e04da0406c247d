"""Problems that `tau2-gym check` finds in tasks: each line below that ends with `#!` names its problem."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Gym = Callable[..., CompletedProcess[str]]

TASK = "outcome: done\n  user_scenario: {instructions: Something.}"
CALLS = f"""
- id: unknown_tool
  {TASK}
  evaluation_criteria:
    actions:
      - {{name: get_user, arguments: {{}}}}  #! the assistant has no tool 'get_user' (did you mean 'get_users'?)
- id: unknown_tool_of_the_customer
  {TASK}
  user_tools: [dismiss_notifications]  #! the customer has no tool 'dismiss_notifications' (did you mean 'dismiss_not
  evaluation_criteria:
    actions:
      - {{name: create_task, arguments: {{user_id: rosa_delgado, title: x}}}}
- id: unknown_function
  {TASK}
  initial_state:
    initialization_actions:
      - env_type: user
        func_name: add_notifications  #! the user side has no function 'add_notifications' (did you mean 'add_notific
        arguments: {{}}
  evaluation_criteria:
    actions: [{{name: create_task, arguments: {{user_id: rosa_delgado, title: x}}}}]
- id: wrong_arguments
  {TASK}
  evaluation_criteria:
    actions:
      - name: create_task
        arguments: {{user_id: rosa_delgado}}  #! create_task: "title" is a required property
      - name: update_task_status
        arguments:
          task_id: 5  #! update_task_status: task_id: 5 is not of type "string"
          status: open  #! update_task_status: status: "open" is not one of "pending" or "completed"
- id: wrong_comparison
  {TASK}
  evaluation_criteria:
    actions:
      - {{name: create_task, arguments: {{user_id: rosa_delgado, title: x}}, compare_args: [tytle]}}  #! create_task has
- id: no_assertion
  {TASK}
  evaluation_criteria:
    actions: [{{name: create_task, arguments: {{user_id: rosa_delgado, title: x}}}}]
    env_assertions:
      - env_type: user
        func_name: check_notifications  #! check_notifications is of kind 'read', not an assertion
        arguments: {{}}
    reward_basis: [DB, ENV_ASSERTION]
"""
CRITERIA = f"""
- id: no_criteria  #! has no evaluation_criteria, so every agent passes it
  outcome: refused
  user_scenario: {{instructions: Something.}}
- id: nothing_to_compare_with
  outcome: refused
  user_scenario: {{instructions: Something.}}
  evaluation_criteria:  #! DB is in its reward basis, but it has no `actions`
    reward_basis: [DB]
- id: empty_criterion
  {TASK}
  evaluation_criteria:
    actions: [{{name: create_task, arguments: {{user_id: rosa_delgado, title: x}}}}]
    reward_basis: [DB, ENV_ASSERTION]  #! ENV_ASSERTION is in its reward basis, but it specifies nothing for it
- id: idle_criterion
  {TASK}
  evaluation_criteria:  #! names something for COMMUNICATE, which is not in its reward basis
    actions: [{{name: create_task, arguments: {{user_id: rosa_delgado, title: x}}}}]
    communicate_info: [task_7]
    reward_basis: [DB]
- id: comma
  {TASK}
  evaluation_criteria:
    actions: []
    communicate_info:
      - Delgado, Rosa  #! 'Delgado, Rosa' can never be found, as commas are removed from what the agent says
- id: done_by_nobody
  {TASK}
  evaluation_criteria:  #! its outcome is 'done', but agent 'silent' passes it
    actions: []
- id: no_outcome  #! names no `outcome`
  user_scenario: {{instructions: Something.}}
  evaluation_criteria: {{actions: []}}
- id: transfers_nothing
  outcome: transferred  #! its outcome is 'transferred', but its gold calls no tool that transfers
  user_scenario: {{instructions: Something.}}
  evaluation_criteria: {{actions: []}}
- id: refuses_nothing
  outcome: refused  #! its outcome is 'refused', but its gold changes the database
  user_scenario: {{instructions: Something.}}
  evaluation_criteria:
    actions: [{{name: create_task, arguments: {{user_id: rosa_delgado, title: x}}}}]
"""
PLAYED = f"""
- id: unknown_id
  {TASK}
  evaluation_criteria:
    actions:
      - name: create_task
        arguments:
          title: x
          user_id: nobody_here  #! gold call create_task(title='x', user_id='nobody_here') fails: there is no user
- id: start_does_not_fit
  {TASK}
  initial_state:  #! its start state cannot be set up: initial data does not fit: status: Input should be 'pending' or
    initialization_data:
      agent_data: {{tasks: {{task_1: {{status: open}}}}}}
  evaluation_criteria:
    actions: [{{name: create_task, arguments: {{user_id: rosa_delgado, title: x}}}}]
- id: history_did_not_happen
  {TASK}
  initial_state:  #! its start state cannot be set up: its history records 'Done.' for create_task, but the call gives
    message_history:
      - {{role: user, content: Hello.}}
      - role: assistant
        tool_calls: [{{id: a, name: create_task, arguments: {{user_id: rosa_delgado, title: x}}}}]
      - {{role: tool, id: a, content: Done.}}
  evaluation_criteria:
    actions: [{{name: create_task, arguments: {{user_id: rosa_delgado, title: y}}}}]
- id: assertion_raises
  {TASK}
  evaluation_criteria:
    actions: [{{name: create_task, arguments: {{user_id: rosa_delgado, title: x}}}}]
    env_assertions:
      - env_type: assistant  #! assert_task_status raises after the gold calls: there is no task 'task_99'
        func_name: assert_task_status
        arguments: {{task_id: task_99, expected_status: pending}}
    reward_basis: [DB, ENV_ASSERTION]
"""
SHAPE = f"""
- id: wrong_word
  outcome: finished  #! wrong_word.outcome: Input should be 'done', 'refused' or 'transferred', not 'finished'
  user_scenario: {{instructions: Something.}}
- id: stray_key
  {TASK}
  colour: red  #! stray_key.colour: there is no such key
- id: create_plain  #! task 'create_plain' occurs twice, first at
  {TASK}
- id: [5]  #! 3.id: Input should be a valid string
  {TASK}
"""


@pytest.mark.parametrize("text", [CALLS, CRITERIA, PLAYED, SHAPE], ids=["calls", "criteria", "played", "shape"])
def test_exactly_the_marked_lines_have_problems(gym: Gym, mock_copy: Path, text: str) -> None:
    file = mock_copy / "data" / "tasks" / "wrong.yaml"
    file.write_text(text, encoding="utf-8")
    ids = [line.split()[2] for line in text.splitlines() if line.startswith("- id: ") and "[" not in line]
    with (mock_copy / "data" / "splits.yaml").open("a") as splits:
        splits.write(f"more: [{', '.join(ids)}]\n")
    expected: list[str] = []
    task = ""
    for number, line in enumerate(text.splitlines(), 1):
        content, *told = line.split("  #! ")
        task = content.split()[2] if content.startswith("- id: ") else task
        for what in " #! ".join(told).split(" #! ") if told else []:
            named = "" if text is SHAPE else f"task {task!r}{'' if what.startswith(('has ', 'names ')) else ':'} "
            expected.append(f"mock: {file}:{number}: {named}{what}")
    done = gym("check", "--pack", mock_copy)
    *found, closing = done.stdout.splitlines()
    assert done.returncode == 1
    assert [start for start in expected if not any(line.startswith(start) for line in found)] == [], done.stdout
    assert len(found) == len(expected), done.stdout
    assert closing.startswith(f"mock: {len(expected)} problems ")


@pytest.mark.parametrize(
    ("file", "change", "told"),
    [
        ("tools/agent.yaml", lambda _: None, "cannot read"),
        ("tools/user.yaml", lambda text: text + "  - [\n", ""),
        ("tools/functions.yaml", lambda _: "- a list\n", "should be a mapping of names to entries"),
        ("handlers/tasks.py", lambda text: text + "def (\n", "cannot be imported: SyntaxError"),
        ("handlers/tasks.py", lambda text: text + "raise SystemExit(4)\n", "cannot be imported: SystemExit: 4"),
        ("data/tasks/creating.yaml", lambda text: text + "- [\n", ""),
        ("data/splits.yaml", lambda _: "- a list\n", "the file: should be a mapping of keys to values"),
        ("data/db.yaml", lambda text: text.replace("[task_2]", "task_2"), "users.piet_lindgren.tasks: Input should be"),
        ("prompts/policy_solo.md.j2", lambda text: text.replace("rules.md", "laws.md"), "there is no template"),
        ("prompts/policy.md.j2", lambda _: None, "there is no file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_cause_is_one_problem(
    gym: Gym, mock_copy: Path, file: str, change: Callable[[str], str | None], told: str
) -> None:
    text = change((mock_copy / file).read_text(encoding="utf-8"))
    if text is None:
        (mock_copy / file).unlink()
    else:
        (mock_copy / file).write_text(text, encoding="utf-8")
    done = gym("check", "--pack", mock_copy)
    *found, _ = done.stdout.splitlines()
    assert done.returncode == 1
    assert len(found) == 1, done.stdout
    assert told in found[0]
    assert str(mock_copy / file) in found[0]


@pytest.mark.parametrize(
    ("file", "entry", "told"),
    [
        ("tools/user.yaml", "  kind: read\n", "tool 'get_users' exists on the agent's side already: "),
        ("tools/functions.yaml", "  kind: setup\n  role: agent\n", "function 'get_users' has the name of a tool: "),
    ],
)
def test_a_name_is_used_once_among_all_tools(gym: Gym, mock_copy: Path, file: str, entry: str, told: str) -> None:
    entry += "  description: List.\n  handler: users:get_users\n"
    with (mock_copy / file).open("a") as tools:
        tools.write(f"get_users:\n{entry}")
    line = len((mock_copy / file).read_text().splitlines()) - entry.count("\n")
    done = gym("check", "--pack", mock_copy)
    *found, _ = done.stdout.splitlines()
    start = f"mock: {mock_copy / file}:{line}: {told}{mock_copy / 'tools/agent.yaml'}:11 ("
    assert [each.startswith(start) for each in found] == [True], done.stdout


def test_a_tool_that_writes_must_say_so(gym: Gym, mock_copy: Path) -> None:
    tools = mock_copy / "tools" / "user.yaml"
    tools.write_text(tools.read_text().replace("kind: write", "kind: read"))
    done = gym("check", "--pack", mock_copy)
    assert done.returncode == 1
    told = (
        "tool 'dismiss_notification' is of kind 'read', but it changed the database (declare it `kind: write`) [T2G050]"
    )
    assert f"mock: {tools}:7: {told}\n" in done.stdout
    assert done.stdout.count("dismiss_notification") == 1
