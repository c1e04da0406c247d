"""An agent of the OpenAI Agents SDK: `--agent python:examples/agents/openai_agents_agent.py:agent`."""

from agents import Agent, OpenAIChatCompletionsModel, set_tracing_disabled
from openai import AsyncOpenAI
from tau2_gym_agents.openai_agents import OpenAIAgent

set_tracing_disabled(True)
model = OpenAIChatCompletionsModel(model="gpt-5", openai_client=AsyncOpenAI())
agent = OpenAIAgent(Agent(name="Service agent", instructions="Be brief.", model=model))
