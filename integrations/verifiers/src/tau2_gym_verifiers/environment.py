"""The environment: the agent talks to the simulated customer of a gym server until one of them ends it."""

from __future__ import annotations

from contextlib import AsyncExitStack

import verifiers.v1 as vf
from pydantic import Field

from tau2_gym_verifiers.episode import ask
from tau2_gym_verifiers.server import own_server
from tau2_gym_verifiers.taskset import Tau2Task


class Tau2EnvConfig(vf.EnvConfig):
    """The agent, and the options of a server that is started."""

    agent: vf.AgentConfig = vf.AgentConfig(harness={"id": "null"}, runtime=vf.SubprocessConfig())
    """The agent: a chat loop with only the domain's tools, in a process on this machine."""
    serve: list[str] = Field(default_factory=list)
    """Options of `tau2-gym serve`, such as `--user-model`, for the server that is started without a `task.url`."""


class Tau2Env(vf.Env[Tau2EnvConfig]):
    """Relays between the agent and the customer. Without a `task.url`, it starts a gym server for its lifetime."""

    _stack: AsyncExitStack | None = None

    async def start(self) -> None:
        """Start a gym server unless `task.url` is set. Raises RunError if it does not start."""
        config = self.taskset.config
        if config.task.url is None:
            self._stack = AsyncExitStack()
            dataset = [] if config.dataset is None else ["--dataset", str(config.dataset)]
            server = own_server([config.domain, *dataset, *self.config.serve])
            config.task.url = await self._stack.enter_async_context(server)

    async def stop(self) -> None:
        """Stop the server that `start` started."""
        if self._stack is not None:
            stack, self._stack = self._stack, None
            self.taskset.config.task.url = None
            await stack.aclose()

    async def run(self, task: Tau2Task, agents: vf.Agents) -> None:
        """Play one episode. Messages before the agent's first turn are not trained on.

        If the agent says nothing, or a limit of verifiers stops it, the conversation ends.
        """
        async with agents.agent.interaction(task) as talk:
            conversation = talk.trace.state.conversation_url
            heard = await ask("GET", conversation)
            new = heard["messages"]
            while heard["status"] == "open":
                segment = await talk.turn(new)
                said = "" if segment.terminated else segment.last_reply
                if not said:
                    return
                heard = await ask("GET", conversation)  # a tool call may have ended the episode
                if heard["status"] == "open":
                    heard = await ask("POST", conversation, {"content": said})
                new = [{"role": "user", "content": heard["reply"]}]
