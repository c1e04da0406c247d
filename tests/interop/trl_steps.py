"""Two GRPO steps with a tiny random model, by rollouts and the environment's schemas: run in an environment with TRL.

Prints one JSON object: whether weights moved, what was masked, and the schemas that TRL makes of the methods.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile

os.environ |= {"TRL_EXPERIMENTAL_SILENCE": "1", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}

import torch
from tau2_trl import Tau2Spec
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM
from transformers.utils import get_json_schema
from trl import GRPOConfig, GRPOTrainer

TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer of bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    marks = ["<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>"]
    vocabulary = {token: number for number, token in enumerate([*alphabet, *marks])}
    made = Tokenizer(models.BPE(vocabulary, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(marks)
    found = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|end|>", pad_token="<|end|>")
    found.chat_template = TEMPLATE
    return found


def main() -> None:
    torch.manual_seed(1)
    tokens = tokenizer()
    config = Qwen2Config(
        vocab_size=len(tokens), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=4096, eos_token_id=tokens.eos_token_id,
        pad_token_id=tokens.pad_token_id,
    )  # fmt: skip
    model = Qwen2ForCausalLM(config)
    before = [each.detach().clone() for each in model.parameters()]
    spec = Tau2Spec("mock", max_turns=2)
    seen: list[dict[str, object]] = []

    def roll_out(prompts: list[str], trainer: GRPOTrainer) -> dict[str, object]:
        seen.append(spec.rollout_func(prompts, trainer))
        return seen[-1]

    def noisy(completions: list[object], **more: object) -> list[float]:
        """A random model solves nothing, so equal rewards would move no weight."""
        rewards = spec.reward_func(completions, more["episode_reward"])  # type: ignore[arg-type]
        return [(reward or 0.0) + 0.1 * number for number, reward in enumerate(rewards)]

    with tempfile.TemporaryDirectory() as folder:
        arguments = GRPOConfig(
            output_dir=folder, max_steps=2, per_device_train_batch_size=4, num_generations=4, max_completion_length=400,
            learning_rate=1e-2, report_to=[], use_cpu=True, save_strategy="no", logging_strategy="no", beta=0.0,
            generation_kwargs={"max_new_tokens": 8}, bf16=False,
        )  # fmt: skip
        trainer = GRPOTrainer(
            model=model, reward_funcs=noisy, args=arguments, train_dataset=spec.rollout_dataset,
            processing_class=tokens, rollout_func=roll_out,
        )  # fmt: skip
        trainer.train()
    after = list(trainer.model.parameters())
    moved = any(not torch.equal(one, other) for one, other in zip(before, after, strict=True))
    environment = spec.environment_factory()
    first = environment.reset(task_id="complete_task")
    environment.update_task_status(task_id="task_5", status="completed")  # type: ignore[attr-defined]
    history = spec.environment_factory().reset(task_id="complete_what_was_created")
    heard = environment.send_message_to_user("It is done.")
    schema = get_json_schema(environment.update_task_status)  # type: ignore[attr-defined]
    result = {
        "moved": moved,
        "steps": len(seen),
        "rollouts": [
            {"completion": len(ids), "mask": mask}
            for batch in seen
            for ids, mask in zip(batch["completion_ids"], batch["env_mask"], strict=True)  # type: ignore[call-overload]
        ],
        "first": first,
        "history": history,
        "heard": heard,
        "reward": environment.get_reward(),
        "schema": schema["function"],
    }
    sys.stdout.write("\n" + json.dumps(result) + "\n")


main()
