"""A graph of LangGraph: `--agent python:examples/agents/langgraph_agent.py:agent`."""

from typing import Any

from langchain.agents import create_agent
from langchain_openai import ChatOpenAI
from tau2_gym_agents.langgraph import LangGraph


def make(tools: list[Any], instructions: str) -> Any:
    return create_agent(ChatOpenAI(model="gpt-5"), tools, system_prompt=instructions)


agent = LangGraph(make)
