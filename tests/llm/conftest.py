"""Runs with models behind a scripted endpoint on loopback, reached over HTTP as any other."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from tau2_core.cli.app import app
from tau2_core.episode.setting import Setting
from tau2_core.model.llm import ModelSettings
from tau2_core.runs.loading import load_setting, open_catalogue
from tau2_core.runs.model_clients import open_client
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import Answer, Asked, Script, ScriptedEndpoint, say
from tau2_core.testing.token_template import ByteTemplate
from typer.testing import CliRunner

MOCK = Path(__file__).parents[2] / "domains" / "mock" / "src" / "tau2_domain_mock"


def models_of(provider: str) -> dict[str, str]:
    """Return the models of the agent and of the customer: of `openai`, through litellm, or of `endpoint`, directly."""
    return {"agent": f"{provider}/agent", "user": f"{provider}/customer"}


MODELS = models_of("openai")
Disturbance = Answer | Sequence[Answer | None]


def role_of(asked: Asked) -> str:
    return next((role for role, part in (("judge", "judge"), ("user", "customer")) if part in asked.model), "agent")


@dataclass
class Disturbed:
    """A script with bad days: a role's n-th request gets the n-th of its answers, or every one the only answer.

    None, and what is behind the end, is answered by the script.
    """

    script: Script
    answers: Mapping[str, Disturbance]
    asked: dict[str, int] = field(default_factory=dict)

    def __call__(self, asked: Asked) -> Answer:
        role = role_of(asked)
        number = self.asked.get(role, 0)
        self.asked[role] = number + 1
        given = self.answers.get(role, ())
        if not isinstance(given, Sequence):
            return given
        return (given[number] if number < len(given) else None) or self.script(asked)


@dataclass
class Played:
    """What a run left, and what the models were asked."""

    folder: Path
    code: int
    output: str
    error: str
    asked: list[Asked]
    most_at_once: int

    def of(self, role: str) -> list[Asked]:
        return [asked for asked in self.asked if role_of(asked) == role]

    def lines(self, name: str) -> list[dict[str, Any]]:
        file = self.folder / name
        return [json.loads(line) for line in file.read_bytes().splitlines()]

    @cached_property
    def summary(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.folder / "summary.json").read_text(encoding="utf-8"))
        return loaded

    @property
    def record(self) -> dict[str, Any]:
        (record,) = self.lines("episodes.jsonl")
        return record

    @property
    def grade(self) -> dict[str, Any]:
        (grade,) = self.lines("grades.jsonl")
        return grade

    @property
    def end(self) -> tuple[str, str]:
        """How the only episode ended, and what came of it."""
        return self.record["termination"], self.grade["outcome"]

    @property
    def said(self) -> list[tuple[str, str | None]]:
        """Role and text of the only episode's messages."""
        return [(message["role"], message.get("content")) for message in self.record["messages"]]


def arguments_for(url: str, models: Mapping[str, str], given: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the options that send each role's model to an endpoint."""
    options: list[str] = []
    for role, model in models.items():
        arguments = {"api_base": url, "api_key": "none", **given.get(role, {})}
        options += [f"--{role}-model", model, f"--{role}-args", json.dumps(arguments)]
    return options


@pytest.fixture(scope="session")
def gold(setting_of: Callable[..., Setting]) -> Callable[[str], GoldScript]:
    """Return the script that plays a domain's tasks as their gold says, in every role."""
    return lambda domain: GoldScript.of(setting_of(domain))


@pytest.fixture(scope="session")
def litellm_ready() -> None:
    """Make the first request, which takes seconds, so that no test's deadline is spent on it."""

    async def ask(url: str) -> None:
        client = open_client(ModelSettings(model="openai/any", args={"api_base": url, "api_key": "none"}))
        await client.complete([{"role": "user", "content": "?"}], (), {})
        await client.close()

    with ScriptedEndpoint(lambda _asked: say("!")) as endpoint:
        asyncio.run(ask(endpoint.url))


@pytest.fixture
def play(litellm_ready: None, tmp_path: Path, gold: Callable[[str], GoldScript]) -> Callable[..., Played]:
    """Run the command in this process, with models at an endpoint: `play("--task", "x", agent=[Refusal(429)])`."""
    return player(tmp_path, gold)


def player(home: Path, gold: Callable[[str], GoldScript]) -> Callable[..., Played]:
    """Return a function that runs the command in this process, with models at an endpoint, and folders in `home`.

    `script` answers, by default with the gold, disturbed by what is given for a role; `models` are by role,
    `arguments` go along with a role's requests.
    """
    count = 0

    def run(
        *options: object,
        domain: str = "mock",
        script: Script | None = None,
        models: Mapping[str, str] = MODELS,
        arguments: Mapping[str, Mapping[str, Any]] | None = None,
        latency: float = 0.0,
        template: ByteTemplate | None = None,
        name: str = "",
        **disturbances: Disturbance,
    ) -> Played:
        nonlocal count
        count += 1
        name = name or f"run{count}"
        disturbed = Disturbed(script or gold(domain), disturbances)
        with ScriptedEndpoint(disturbed, latency=latency, template=template) as endpoint:
            given = arguments_for(endpoint.url, models, arguments or {})
            started = ["run", domain, *given, "--out", str(home), "--name", name, *map(str, options)]
            done = CliRunner().invoke(app, started)
        assert endpoint.failures == []
        error = done.stderr if done.exception is None else f"{done.stderr}{done.exception}"
        return Played(home / name, done.exit_code, done.stdout, error, endpoint.asked, endpoint.most_at_once)

    return run


@pytest.fixture(scope="session")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    """The mock pack with a judge's word in most rewards, as a package of its own: this process may know the other."""
    folder = shutil.copytree(MOCK, tmp_path_factory.mktemp("judged_mock"), dirs_exist_ok=True)
    for file in folder.rglob("*.py"):
        file.write_text(file.read_text().replace(MOCK.name, folder.name))
    manifest = folder / "domain.yaml"
    manifest.write_text(manifest.read_text().replace("[DB, COMMUNICATE]", "[DB, COMMUNICATE, NL_ASSERTION]"))
    return load_setting(open_catalogue([folder]), "mock")


@pytest.fixture
def cassette(tmp_path: Path) -> Path:
    """The path of a new cassette."""
    return tmp_path / "exchanges.jsonl"
