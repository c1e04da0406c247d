"""An agent of pydantic-ai: `tau2-gym run airline --agent python:examples/agents/pydantic_ai_agent.py:agent`."""

from pydantic_ai import Agent
from tau2_gym_agents.pydantic_ai import PydanticAI

agent = PydanticAI(Agent("openai-chat:gpt-5", instructions="Be brief."))
