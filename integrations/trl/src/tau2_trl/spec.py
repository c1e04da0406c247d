"""`Tau2Spec`: a domain's tasks, rollouts and rewards for `GRPOTrainer`."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Unpack

from tau2_core import (
    AssistantMessage,
    Episode,
    EpisodeFactory,
    EpisodeOptions,
    Message,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from tau2_core.errors import MissingExtraError

from tau2_trl.environment import ToolEnvironment, environment_class

_TOOL_CALL = re.compile(r"<tool_call>\s*(\{.*?\})\s*</tool_call>", re.DOTALL)
Parse = Callable[[str], AssistantMessage]


def parse_answer(text: str) -> AssistantMessage:
    """Parse a model's answer: a tool call in JSON, possibly in tags, or text for the customer."""
    tagged = _TOOL_CALL.search(text)
    written = tagged[1] if tagged else text.strip()
    if written.startswith("{"):
        try:
            value = json.loads(written)
        except ValueError:
            value = None
        if isinstance(value, dict) and isinstance(value.get("name"), str):
            arguments = value.get("arguments", {})
            if isinstance(arguments, dict):
                return AssistantMessage(tool_calls=[ToolCall(name=value["name"], arguments=arguments)])
    return AssistantMessage(content=text)


@dataclass
class _Rollout:
    """The tokens of an episode in progress: the mask is 1 for sampled tokens and 0 for all others."""

    episode: Episode
    prompt_ids: list[int]
    completion_ids: list[int] = field(default_factory=list)
    mask: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)

    def add(self, ids: Sequence[int], mask: int, logprobs: Sequence[float] | None = None) -> None:
        self.completion_ids += ids
        self.mask += [mask] * len(ids)
        self.logprobs += [0.0] * len(ids) if logprobs is None else logprobs


class Tau2Spec:
    """Provides `GRPOTrainer` with a domain's data sets, and with a rollout function or an environment.

    `rollout_func` goes with `rollout_dataset` and `reward_func`, `environment_factory` with `environment_dataset`.
    """

    def __init__(
        self,
        domain: str | Path,
        *,
        split: str = "train",
        max_turns: int = 20,
        parse: Parse = parse_answer,
        **options: Unpack[EpisodeOptions],
    ) -> None:
        """Load a domain. `max_turns` limits the model's answers per episode; `options` are those of `open_episode`."""
        self.factory = EpisodeFactory(domain, split=split, **options)
        self.max_turns = max_turns
        self.parse = parse
        self._played = 0

    @property
    def rollout_dataset(self) -> Any:
        """The tasks, with their ids in place of prompts: rollouts create the prompts themselves."""
        return _dataset([{"prompt": task_id} for task_id in self.factory.tasks])

    @property
    def environment_dataset(self) -> Any:
        """The tasks, each with the policy as the system message; `reset` adds the customer's first message."""
        opening = {"role": "user", "content": ""}
        system = {"role": "system", "content": self.factory.policy}
        return _dataset([{"prompt": [system, opening], "task_id": task_id} for task_id in self.factory.tasks])

    @cached_property
    def environment_factory(self) -> type[ToolEnvironment]:
        """An environment class with the domain's tools and `send_message_to_user` as methods."""
        return environment_class(self.factory)

    @staticmethod
    def reward_func(
        completions: Sequence[Any], episode_reward: Sequence[float | None], **_more: Any
    ) -> list[float | None]:
        """Return the rewards of the episodes; None for an episode without a valid reward."""
        assert len(completions) == len(episode_reward)
        return list(episode_reward)

    def rollout_func(self, prompts: Sequence[str], trainer: Any) -> dict[str, Any]:
        """Play an episode for each task id; return its tokens, with `env_mask` 0 for those the model did not sample."""
        return asyncio.run(self._roll_out(prompts, trainer))

    async def _roll_out(self, task_ids: Sequence[str], trainer: Any) -> dict[str, Any]:
        tokenizer = trainer.processing_class
        rollouts = [await self._begin(task_id, tokenizer) for task_id in task_ids]
        known = True
        for _ in range(self.max_turns):
            going = [each for each in rollouts if self._has_room(each, trainer)]
            if not going:
                break
            asked = [[*each.prompt_ids, *each.completion_ids] for each in going]
            sampled, logprobs = trainer._generate_single_turn(asked, None, {}, 1)[:2]
            known = known and logprobs is not None
            for place, rollout in enumerate(going):
                rollout.add(sampled[place], 1, None if logprobs is None else logprobs[place])
            texts = [tokenizer.decode(ids, skip_special_tokens=True) for ids in sampled]
            pairs = zip(going, texts, strict=True)
            heard = await asyncio.gather(*(each.episode.step(self.parse(text)) for each, text in pairs))
            for rollout, new in zip(going, heard, strict=True):
                if rollout.episode.ended is None:
                    if rollout.completion_ids[-1:] != [tokenizer.eos_token_id]:  # the token limit cut the answer off
                        rollout.add([tokenizer.eos_token_id], 0)
                    rollout.add(self._suffix(tokenizer, new), 0)
        return {
            "prompt_ids": [each.prompt_ids for each in rollouts],
            "completion_ids": [each.completion_ids for each in rollouts],
            "logprobs": [each.logprobs for each in rollouts] if known else None,
            "env_mask": [each.mask for each in rollouts],
            "episode_reward": [(await each.episode.grade()).reward_for("agent") for each in rollouts],
            "task_id": list(task_ids),
        }

    async def _begin(self, task_id: str, tokenizer: Any) -> _Rollout:
        episode = self.factory.episode(task_id, seed=self._played)
        self._played += 1
        await episode.begin()
        system = {"role": "system", "content": self.factory.policy}
        chat = [system, *_as_chat(episode.messages)]
        tools = [tool.chat_function() for tool in self.factory.tools]
        ids = tokenizer.apply_chat_template(
            chat, tools=tools, add_generation_prompt=True, tokenize=True, return_dict=False
        )
        return _Rollout(episode, list(ids))

    @staticmethod
    def _has_room(rollout: _Rollout, trainer: Any) -> bool:
        return rollout.episode.ended is None and len(rollout.completion_ids) < trainer.max_completion_length

    @staticmethod
    def _suffix(tokenizer: Any, new: Sequence[Message]) -> list[int]:
        """Return the tokens of the messages after an answer, up to where the model's next answer begins."""
        before = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]
        short = tokenizer.apply_chat_template(before, tokenize=True, return_dict=False)
        chat = [*before, *_as_chat(new)]
        long = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=True, return_dict=False)
        same = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
        return list(long[same:])


def _dataset(rows: list[dict[str, Any]]) -> Any:
    try:
        from datasets import Dataset
    except ImportError as error:
        raise MissingExtraError("data sets", "TRL with its package `datasets`", "", "tau2-gym-trl") from error
    return Dataset.from_list(rows)


def _as_chat(messages: Sequence[Message]) -> list[dict[str, Any]]:
    chat: list[dict[str, Any]] = []
    for message in messages:
        if isinstance(message, ToolMessage):
            chat.append({"role": "tool", "content": message.content or ""})
        elif isinstance(message, UserMessage):
            chat.append({"role": "user", "content": message.content or ""})
        elif isinstance(message, AssistantMessage):
            calls = [{"name": call.name, "arguments": call.arguments} for call in message.tool_calls or []]
            made = {"tool_calls": [{"type": "function", "function": call} for call in calls]} if calls else {}
            chat.append({"role": "assistant", "content": message.content or "", **made})
    return chat
