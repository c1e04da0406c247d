"""A script for a scripted endpoint that plays the gold of tasks in every role.

The customer begins with the task's id between ⟦ and ⟧, which tells the agent's part which calls to make. The role is
part of the model's name: `customer` or `judge`; any other name is the agent. Tasks with equal scenarios, such as those
of one family, cannot be played by one script.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Self

from tau2_core.episode.setting import Setting
from tau2_core.episode.solo import DONE
from tau2_core.model.messages import AssistantMessage
from tau2_core.model.participants import STOP, TRANSFER
from tau2_core.model.tasks import Action, Instructions, Task
from tau2_core.runs.loading import load_setting, open_catalogue
from tau2_core.testing.scripted_endpoint import Asked, Reply, call, say

CLOSING = "That is everything."
HANDOVER = "You are being transferred."
_MARK = re.compile(r"^⟦(?P<task>.+?)⟧")
_STEP = re.compile(r"⟦step (?P<number>\d+)⟧")
_STATEMENT = re.compile(r"^(\d+)\. ", re.MULTILINE)


class GoldScript:
    """Answers as the agent, the customer or the judge of given tasks; `transfers` names the tools that hand over."""

    def __init__(self, tasks: Iterable[Task], transfers: Collection[str] = ()) -> None:
        self.tasks = {task.id: task for task in tasks}
        self.transfers = transfers
        self._known: dict[str, Task] = {}

    @classmethod
    def of(cls, setting: Setting, tasks: Iterable[Task] | None = None) -> Self:
        """Return the script for tasks of a setting, all if none are given."""
        transfers = {tool.name for tool in setting.tools("agent").values() if tool.transfers}
        return cls(setting.tasks().values() if tasks is None else tasks, transfers)

    @classmethod
    def of_domain(cls, domain: str) -> Self:
        """Return the script for all tasks of an installed domain. Raises UsageError, PackError."""
        return cls.of(load_setting(open_catalogue(), domain))

    def __call__(self, asked: Asked) -> Reply:
        if "judge" in asked.model:
            return self.judge(asked)
        return self.customer(asked) if "customer" in asked.model else self.agent(asked)

    def judge(self, asked: Asked) -> Reply:
        """Decide that every statement is met."""
        question = next(str(message["content"]) for message in asked.messages if message["role"] == "user")
        numbers = _STATEMENT.findall(question.rpartition("Statements:")[2])
        verdicts = [{"number": int(number), "reason": "as scripted", "met": True} for number in numbers]
        return say(json.dumps({"verdicts": verdicts}))

    def customer(self, asked: Asked) -> Reply:
        """Send the request, follow the instructions, and end after the last one or a repeated message."""
        task = self._in_system(asked, _scenario)
        if not any(
            _MARK.match(str(message["content"])) for message in asked.messages if message["role"] == "assistant"
        ):
            return say(f"⟦{task.id}⟧ {_wish(task)}")
        step = _STEP.search(asked.last)
        if asked.messages[-1]["role"] == "tool":
            return say("Done.")
        if step is not None:
            return _call(task.gold()[int(step["number"])])
        if CLOSING in asked.last:
            return say(TRANSFER if HANDOVER in asked.last else STOP)
        heard = [message["content"] for message in asked.messages if message["role"] == "user"]
        return say(STOP if heard[-2:-1] == heard[-1:] else "Go on, please.")

    def agent(self, asked: Asked) -> Reply:
        """Make the gold calls one at a time, ask the customer for theirs, then say what must be communicated."""
        solo = "<ticket>" in asked.system
        task = self._in_system(asked, _ticket) if solo else self._announced(asked)
        before = sum(isinstance(message, AssistantMessage) for message in task.history())
        gold = task.gold()
        done = _done(gold, [message for message in asked.messages if message["role"] == "assistant"][before:])
        if done < len(gold):
            if solo or gold[done].requestor == "assistant":
                return _call(gold[done])
            return say(f"Please do this: {gold[done].text()} ⟦step {done}⟧")
        if solo:
            return call((DONE, {}))
        criteria = task.evaluation_criteria
        facts = (criteria.communicate_info if criteria else None) or []
        ending = [HANDOVER] if any(action.name in self.transfers for action in gold) else []
        return say("\n".join([*ending, *facts, CLOSING]))

    def _announced(self, asked: Asked) -> Task:
        said = (_MARK.match(str(message["content"])) for message in asked.messages if message["role"] == "user")
        return self.tasks[next(mark["task"] for mark in said if mark)]

    def _in_system(self, asked: Asked, text_of: Callable[[Task], str]) -> Task:
        system = asked.system
        if system not in self._known:
            meant = [task for task in self.tasks.values() if text_of(task) in system]
            if len(meant) != 1:
                raise LookupError(f"{len(meant)} tasks have this text: {[task.id for task in meant]}")
            self._known[system] = meant[0]
        return self._known[system]


def _scenario(task: Task) -> str:
    return f"<scenario>\n{task.user_scenario.text()}\n</scenario>"


def _ticket(task: Task) -> str:
    return f"<ticket>\n{task.ticket}\n"


def _wish(task: Task) -> str:
    instructions = task.user_scenario.instructions
    return instructions.reason_for_call if isinstance(instructions, Instructions) else instructions


def _done(gold: Sequence[Action], own: Iterable[Mapping[str, Any]]) -> int:
    """Return how many gold calls were made or requested, in order; anything said in between is ignored."""
    done = 0
    for message in own:
        if done < len(gold) and _is_of(message, gold[done], done):
            done += 1
    return done


def _is_of(message: Mapping[str, Any], action: Action, number: int) -> bool:
    if message.get("tool_calls"):
        function = message["tool_calls"][0]["function"]
        return bool(function["name"] == action.name and json.loads(function["arguments"]) == action.arguments)
    step = _STEP.search(str(message.get("content")))
    return step is not None and int(step["number"]) == number


def _call(action: Action) -> Reply:
    return call((action.name, action.arguments))
