"""An agent of Inspect in a run: `tau2-gym run airline --agent python:examples/agents/inspect_agent.py:agent`."""

from inspect_ai.agent import Agent, react
from inspect_ai.tool import Tool
from tau2_gym_inspect.agent import InspectAgent


def desk(tools: list[Tool]) -> Agent:
    # The policy and the conversation are among its messages, and its last text is its answer.
    return react(tools=tools, prompt=None, submit=False)


agent = InspectAgent(desk, "openai/gpt-4.1")
