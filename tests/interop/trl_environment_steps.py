"""Two GRPO steps through `environment_factory`, with a tiny model whose answers begin with a tool call.

Run in an environment with TRL. Prints one JSON object: whether weights moved, the text of the tokens that were not
masked, and the rewards.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ |= {"TRL_EXPERIMENTAL_SILENCE": "1", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}

import torch
import trl
from tau2_trl import Tau2Spec
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM
from trl import GRPOConfig, GRPOTrainer

TEMPLATE = Path(trl.__file__).parent / "chat_templates" / "qwen3.jinja"
CALL = {"name": "update_task_status", "arguments": {"task_id": "task_5", "status": "completed"}}
ANSWERS = (f"<tool_call>\n{json.dumps(CALL)}\n</tool_call><|im_end|>", "It is done.<|im_end|>")


def tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer of bytes with the marks of Qwen 3's template."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    marks = ["<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>", "</tool_call>"]
    vocabulary = {token: number for number, token in enumerate([*alphabet, *marks])}
    made = Tokenizer(models.BPE(vocabulary, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(marks[:2])
    made.add_tokens(marks[2:])
    found = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|im_end|>", pad_token="<|im_end|>")
    found.chat_template = TEMPLATE.read_text()
    return found


class Caller(Qwen2ForCausalLM):
    """A random model whose sampled answers are replaced: a tool call first, words after its result."""

    tokens: PreTrainedTokenizerFast

    def generate(self, *_arguments: Any, input_ids: torch.Tensor, **_more: Any) -> torch.Tensor:
        texts = self.tokens.batch_decode(input_ids)
        answers = [self.tokens.encode(ANSWERS["<tool_response>" in text]) for text in texts]
        width = max(map(len, answers))
        padded = [answer + [self.tokens.pad_token_id] * (width - len(answer)) for answer in answers]
        return torch.cat([input_ids, torch.tensor(padded)], dim=1)


class Watched(GRPOTrainer):
    """Keeps what it trains on."""

    seen: list[dict[str, Any]]

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        outputs = super()._generate_and_score_completions(inputs)
        self.seen.append(outputs)
        return outputs


def main() -> None:
    torch.manual_seed(1)
    tokens = tokenizer()
    config = Qwen2Config(
        vocab_size=len(tokens), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=16384, eos_token_id=tokens.eos_token_id,
        pad_token_id=tokens.pad_token_id,
    )  # fmt: skip
    model = Caller(config)
    model.tokens = tokens
    before = [each.detach().clone() for each in model.parameters()]
    spec = Tau2Spec("mock")
    rows = spec.environment_dataset.filter(lambda row: row["task_id"] == "complete_task")
    rewards: list[float] = []

    class Paid(spec.environment_factory):
        def get_reward(self) -> float:
            """Equal rewards move no weight, so those of a group differ a little."""
            reward: float = super().get_reward()
            rewards.append(reward)
            return reward + 0.1 * (len(rewards) % 4)

    with tempfile.TemporaryDirectory() as folder:
        arguments = GRPOConfig(
            output_dir=folder, max_steps=2, per_device_train_batch_size=4, num_generations=4, beta=0.0,
            max_completion_length=1000, learning_rate=1e-2, report_to=[], use_cpu=True, save_strategy="no", bf16=False,
            logging_strategy="no",
        )  # fmt: skip
        trainer = Watched(
            model=model, args=arguments, train_dataset=rows, processing_class=tokens, environment_factory=Paid
        )
        trainer.seen = []
        trainer.train()
    after = list(trainer.model.parameters())
    trained_on = [
        tokens.decode([token for token, each in zip(ids, mask, strict=True) if each])
        for batch in trainer.seen
        for ids, mask in zip(batch["completion_ids"], batch["completion_mask"] * batch.get("tool_mask", 1), strict=True)
    ]
    result = {
        "moved": any(not torch.equal(one, other) for one, other in zip(before, after, strict=True)),
        "rewards": rewards,
        "trained_on": trained_on,
    }
    sys.stdout.write("\n" + json.dumps(result) + "\n")


main()
