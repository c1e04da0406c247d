"""The command that plays an episode's task again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from tau2_core.model.customers import DEFAULT_PROMPT
from tau2_core.model.llm import JUDGES

from tau2_gym_workbench.episodes import StoredEpisode
from tau2_gym_workbench.index import RunIndex


def rerun_command(index: RunIndex, episode: StoredEpisode) -> str:
    """Return the command that plays an episode's task again, as far as command-line options allow."""
    config = index.config
    words = ["tau2-gym", "run", config["domain"], "--task", episode.task_id]
    for role in ("agent", "user"):
        model = config["models"].get(role)
        words += [f"--{role}-model", model["model"]] if model else [f"--{role}", config[role]["name"]]
    for role in JUDGES:
        words += ["--judge-model", config["models"][role]["model"]] if config["models"].get(role) else []
    words += ["--judge-rule", config["judge_rule"]] if config.get("judge_rule") else []
    words += _customer(config["user"])
    words += ["--dataset", config["dataset"]["folder"]] if config.get("dataset") else []
    words += ["--variant", config["variant"]] if config.get("variant") else []
    words += ["--solo"] if config.get("solo") else []
    words += ["--evaluators", config["evaluators"]] if config["evaluators"] != "tau2" else []
    words += ["--seed", str(config.get("seed"))] if config.get("seed") is not None else []
    words += ["--trials", str(episode.trial + 1)] if episode.trial else []
    for fault in config.get("faults") or []:
        words += ["--fault", fault]
    return shlex.join(words)


def _customer(user: Mapping[str, Any]) -> list[str]:
    """Return the options that choose how the customer's model plays.

    All personas are given, so that the episode gets the same one again.
    """
    prompt = user.get("prompt", DEFAULT_PROMPT)
    words = [] if prompt == DEFAULT_PROMPT else ["--user-prompt", prompt]
    for persona in user.get("personas", []):
        words += ["--persona", persona]
    return [*words, "--user-check"] if user.get("check") else words
