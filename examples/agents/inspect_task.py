"""An agent of Inspect in its own eval: `inspect eval examples/agents/inspect_task.py --model openai/gpt-4.1`."""

from inspect_ai import Task, task
from inspect_ai.agent import Agent, react
from inspect_ai.tool import Tool
from tau2_gym_inspect import domain_task


def desk(tools: list[Tool]) -> Agent:
    # The policy and the conversation are among its messages, and its last text is its answer.
    return react(tools=tools, prompt=None, submit=False)


@task
def mock(user: str = "scripted", tasks: str | None = None) -> Task:
    return domain_task("mock", user=user, tasks=[tasks] if isinstance(tasks, str) else tasks, agent=desk)
