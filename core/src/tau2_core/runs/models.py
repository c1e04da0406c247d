"""Which models a run hires: from the command line or a file, with limits by provider."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from tau2_core.errors import UsageError
from tau2_core.llm.cassette import Cassette
from tau2_core.llm.model import Client, Gate, Line, Patience
from tau2_core.model.llm import ModelRole, ModelSettings
from tau2_core.packs.yaml_source import YamlError, read_yaml

ROLES: tuple[ModelRole, ...] = get_args(ModelRole)


class ModelsFile(BaseModel):
    """What `--config` reads: a model a role."""

    model_config = ConfigDict(extra="forbid")

    agent: ModelSettings | None = None
    user: ModelSettings | None = None
    judge: ModelSettings | None = None


def read_models(
    file: Path | None, models: Mapping[ModelRole, str | None], arguments: Mapping[ModelRole, str | None]
) -> dict[ModelRole, ModelSettings]:
    """Return the models by role; what the command line names wins over the file. Raises UsageError."""
    base = _read_file(file) if file else ModelsFile()
    settings: dict[ModelRole, ModelSettings] = {}
    for role in ROLES:
        found: ModelSettings | None = getattr(base, role)
        name, text = models.get(role), arguments.get(role)
        if name is not None:
            found = ModelSettings(model=name, args=found.args if found else {})
        if text is not None:
            if found is None:
                raise UsageError(f"--{role}-args without a model: give --{role}-model too")
            found = found.model_copy(update={"args": {**found.args, **_arguments(role, text)}})
        if found is not None:
            settings[role] = found
    return settings


def _read_file(file: Path) -> ModelsFile:
    try:
        return ModelsFile.model_validate(read_yaml(file).value or {})
    except OSError as error:
        raise UsageError(f"--config {file}: {error.strerror}") from error
    except YamlError as error:
        raise UsageError(f"--config {file}:{error.line or 1}: {error}") from error
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in detail["loc"])
        raise UsageError(f"--config {file}: {place}: {detail['msg']}") from error


def _arguments(role: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--{role}-args: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise UsageError(f"--{role}-args should be a JSON object, such as '{{\"temperature\": 0}}'")
    return value


def hire(
    settings: Mapping[ModelRole, ModelSettings],
    *,
    patience: Patience,
    limits: Sequence[str] = (),
    rates: Sequence[str] = (),
    cassette: Cassette | None = None,
) -> dict[ModelRole, Line]:
    """Return a line to each model; models of one provider share its limits. Raises UsageError."""
    at_once, a_minute = _by_provider("--provider-limit", limits), _by_provider("--provider-rate", rates)
    gates: dict[str, Gate] = {}
    lines: dict[ModelRole, Line] = {}
    for role, chosen in settings.items():
        provider = chosen.model.partition("/")[0] if "/" in chosen.model else "openai"
        concurrency = at_once.get(provider)
        gate = gates.setdefault(provider, Gate(int(concurrency) if concurrency else None, a_minute.get(provider)))
        lines[role] = Line(role, chosen, open_client, gate, patience, cassette)
    return lines


def open_client(settings: ModelSettings) -> Client:
    """Return litellm's client; importing it takes seconds, so only when a request is to be made."""
    from tau2_core.llm.client import LiteLLMClient

    return cast("Client", LiteLLMClient(settings))


def _by_provider(option: str, texts: Sequence[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            found[name] = float(number)
        except ValueError as error:
            raise UsageError(f"{option} {text}: should read PROVIDER=NUMBER") from error
        if found[name] <= 0:
            raise UsageError(f"{option} {text}: the number should be more than 0")
    return found
