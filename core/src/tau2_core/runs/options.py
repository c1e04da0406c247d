"""The options of `run` and `serve`, as one configuration that may also come from a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from tau2_core.errors import UsageError
from tau2_core.model.episodes import ArgumentMode
from tau2_core.model.judges import JudgeRule
from tau2_core.model.llm import AGENT_PROVIDER, JUDGES, Carry, ModelRole, ModelSettings
from tau2_core.packs.problems import Problems
from tau2_core.redaction import without_assigned_secrets
from tau2_core.runs.plan import DEFAULT_SEED

ROLES: tuple[ModelRole, ...] = ("agent", "user", "judge")  # those with options of their own
SECRET = {"token"}
_PARTS = {"model", "args", "carry"}


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str | Path) else value


Names = Annotated[list[str], BeforeValidator(_several, json_schema_input_type=str | list[str])]
Folders = Annotated[list[Path], BeforeValidator(_several, json_schema_input_type=Path | list[Path])]


class RoleOptions(BaseModel):
    """The player of a role: a registered name, a model with its arguments, or both."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(default=None, description="A registered agent or user.")
    model: str | None = Field(default=None, description="A model, as litellm names it.")
    args: dict[str, Any] = Field(default_factory=dict, description="Arguments of the model.")
    carry: Carry = Field(default="auto", description="Which parts of a model's thinking are sent back to it.")


class JudgeOptions(RoleOptions):
    """The judge: a model with its arguments, and further judges with the rule by which all of them decide."""

    also: list[RoleOptions] = Field(
        default_factory=list, max_length=len(JUDGES) - 1, description="Further judges, each a model with its arguments."
    )
    rule: JudgeRule = Field(default="majority", description="How several judges decide; a tie decides no.")


def _role(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _judges(value: Any) -> Any:
    """Return a list of judges as the first one with the others."""
    if isinstance(value, list) and value:
        first = _role(value[0])
        return {**first, "also": [_role(each) for each in value[1:]]} if isinstance(first, dict) else value
    return _role(value)


RoleField = Annotated[RoleOptions, BeforeValidator(_role, json_schema_input_type=str | RoleOptions)]


JudgeField = Annotated[
    JudgeOptions, BeforeValidator(_judges, json_schema_input_type=str | JudgeOptions | list[RoleOptions])
]


class Options(BaseModel):
    """All options of `run` and `serve`. Each command uses those that it has.

    Paths are relative to the working directory, as on the command line.
    """

    model_config = ConfigDict(extra="forbid")

    domain: Names = Field(default_factory=list)
    agent: RoleField = Field(default_factory=RoleOptions)
    user: RoleField = Field(default_factory=RoleOptions)
    judge: JudgeField = Field(
        default_factory=JudgeOptions, description="The model, or models, that decide natural-language assertions."
    )
    user_prompt: str | None = None
    persona: Names = Field(default_factory=list)
    user_check: bool = False
    dataset: Folders = Field(default_factory=list)
    split: str | None = None
    task: Names = Field(default_factory=list)
    num_tasks: int | None = Field(default=None, ge=1)
    sample: int | None = Field(default=None, ge=1)
    trials: int | None = None
    seed: int = DEFAULT_SEED
    shard: str | None = None
    variant: str = ""
    variant_option: Names = Field(default_factory=list)
    solo: bool = False
    user_first: bool = False
    mode: ArgumentMode | None = None
    evaluators: str | None = None
    max_steps: int = 200
    max_errors: int = 10
    timeout: float | None = None
    run_timeout: float | None = None
    turn_timeout: float | None = None
    call_timeout: float = 120.0
    attempts: int = Field(default=5, ge=1)
    provider_limit: Names = Field(default_factory=list)
    provider_rate: Names = Field(default_factory=list)
    max_cost: float | None = None
    max_infrastructure_errors: int = 5
    min_coverage: float | None = None
    record: Path | None = None
    replay: Path | None = None
    token_traces: bool = False
    fault: Names = Field(default_factory=list)
    judge_all: bool = False
    judge_calibration: Path | None = None
    min_judge_accuracy: float | None = None
    max_customer_faults: float | None = None
    resume: bool = False
    via: Literal["process", "mcp"] = "process"
    executor: str = "async"
    workers: int | None = Field(default=None, ge=1)
    executor_option: Names = Field(default_factory=list)
    concurrency: int | None = None
    out: Path = Path("runs")
    name: str | None = None
    fail_under: float | None = None
    pack: Folders = Field(default_factory=list)
    no_plugin: Names = Field(default_factory=list)
    host: str = "127.0.0.1"
    port: int = Field(default=8700, ge=0, le=65535)
    token: str | None = None
    no_token: bool = False
    allow_origin: Names = Field(default_factory=list)
    max_episodes: int = Field(default=10_000, ge=1)
    idle_timeout: float = 1800.0
    max_connections: int = Field(default=16_384, ge=1)
    request_timeout: float = Field(default=30.0, ge=0.001)
    slot_timeout: float = 1800.0
    slot_attempts: int = Field(default=3, ge=1)
    agent_name: str | None = None
    transport: Literal["http", "stdio"] = "http"
    conversation_tools: bool = False
    public_url: str | None = None

    def models(self) -> dict[ModelRole, ModelSettings]:
        """Return the models by role. Raises UsageError for arguments without a model."""
        found: dict[ModelRole, ModelSettings] = {}
        for role in ROLES:
            options: RoleOptions = getattr(self, role)
            if role == "judge" and options.name is not None:
                raise UsageError(f"judge: {options.name!r} names no model: write judge: {{model: PROVIDER/NAME}}")
            if role == "agent" and (settings := _agent_elsewhere(options)) is not None:
                found[role] = settings
            elif options.model is not None:
                found[role] = ModelSettings(model=options.model, args=options.args, carry=options.carry)
            elif "args" in options.model_fields_set:
                raise UsageError(f"--{role}-args without a model: give --{role}-model too")
        return found | self._further_judges()

    def _further_judges(self) -> dict[ModelRole, ModelSettings]:
        """Return the models of all judges but the first. Raises UsageError."""
        also = self.judge.also
        if also and self.judge.model is None:
            raise UsageError("judge: it has further judges in `also`, but no model of its own")
        for each in also:
            if each.model is None:
                raise UsageError("judge: each one in `also` needs a model: write {model: PROVIDER/NAME}")
        return {
            role: ModelSettings(model=str(each.model), args=each.args, carry=each.carry)
            for role, each in zip(JUDGES[1:], also, strict=False)
        }

    def shown(self, names: Mapping[str, Any]) -> str:
        """Return the configuration of a command with these parameters as YAML, without secrets."""
        content: dict[str, Any] = {}
        for name, value in self.model_dump(mode="json").items():
            if name in ROLES:
                if f"{name}_model" in names:
                    content[name] = self._shown_role(name, value)
            elif name in names and name not in SECRET:
                content[name] = value
        return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)

    @staticmethod
    def _shown_role(role: str, options: dict[str, Any]) -> dict[str, Any]:
        for each in (options, *options.get("also", ())):
            if each["model"] is not None:
                each["args"] = ModelSettings(model=each["model"], args=each["args"]).public_args()
            if role == "judge":
                del each["name"]
        return options


def _agent_elsewhere(options: RoleOptions) -> ModelSettings | None:
    """Return the settings of an agent at an address, which is reached like a model; None for any other agent."""
    from tau2_core.agents.endpoint import address_of  # not needed where options are only read

    address = None if options.name is None else address_of(options.name)
    if address is None:
        return None
    name = (options.model or AGENT_PROVIDER).removeprefix(f"{AGENT_PROVIDER}/")
    return ModelSettings(model=f"{AGENT_PROVIDER}/{name}", args={"api_base": address, **options.args})


def read_options(file: Path | None, given: Mapping[str, Any]) -> Options:
    """Return the options of a file, overridden by those of the command line. Raises UsageError with file and line.

    `given` is by parameter name: `agent`, `agent_model` and `agent_args` (JSON) belong to one role, and so on.
    """
    base = read_file(file) if file else Options()
    plain = {name: value for name, value in given.items() if name in Options.model_fields and name not in ROLES}
    roles: dict[str, dict[str, Any]] = {}
    for role in ROLES:
        changes = roles.setdefault(role, {})
        if role in given:
            changes["name"] = given[role]
        if role == "judge":
            changes |= _judges_given(base.judge, given)
            continue
        if f"{role}_model" in given:
            changes["model"] = given[f"{role}_model"]
        if f"{role}_args" in given:
            changes["args"] = {**getattr(base, role).args, **_arguments(role, given[f"{role}_args"])}
    return merged(base, plain, roles)


def reviewing_model(model: str | None, args: str | None) -> dict[ModelRole, ModelSettings]:
    """Return the model that reviews customers, {} if none is given. Raises UsageError for arguments without one."""
    if model is None:
        if args is not None:
            raise UsageError("--reviewer-args without a model: give --reviewer-model too")
        return {}
    return {"reviewer": ModelSettings(model=model, args={} if args is None else _arguments("reviewer", args))}


def _judges_given(base: JudgeOptions, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the command line's changes to the judges. Raises UsageError.

    `judge_args` given once is for every judge, otherwise it is given once for each, in their order.
    """
    models: list[str] = given.get("judge_model") or []
    texts: list[str] = given.get("judge_args") or []
    changes: dict[str, Any] = {"rule": given["judge_rule"]} if "judge_rule" in given else {}
    if len(models) > len(JUDGES):
        raise UsageError(f"--judge-model: at most {len(JUDGES)} judges can decide together, not {len(models)}")
    known = [base, *base.also]
    number = max(len(models), 1) if models or not base.also else len(known)
    if len(texts) not in (0, 1, number):
        raise UsageError(f"--judge-args: give it once for all judges, or once for each of the {number}")
    args = [_arguments("judge", text) for text in texts] * (number if len(texts) == 1 else 1)
    if not models and not args:
        return changes
    found = [known[place] if place < len(known) else RoleOptions() for place in range(number)]
    if models:
        found = [each.model_copy(update={"model": model}) for each, model in zip(found, models, strict=True)]
    if args:
        found = [each.model_copy(update={"args": {**each.args, **own}}) for each, own in zip(found, args, strict=True)]
    first, *also = found
    own_parts = {"model": first.model} | ({"args": first.args} if args else {})
    return changes | own_parts | {"also": [RoleOptions(**each.model_dump(include=_PARTS)) for each in also]}


def merged(base: Options, plain: Mapping[str, Any], roles: Mapping[str, Mapping[str, Any]]) -> Options:
    """Return options with some replaced: of a role, only the given parts. Raises pydantic's ValidationError."""
    participants = {role: getattr(base, role).model_copy(update=changes) for role, changes in roles.items()}
    return Options.model_validate(
        {**{name: getattr(base, name) for name in base.model_fields_set}, **plain, **participants}
    )


def read_file(file: Path) -> Options:
    """Return the options of a configuration file. Raises UsageError, with file and line."""
    problems = Problems("--config")
    document = problems.read(file)
    found = None
    if document is not None:
        found = problems.validate(Options, document, {} if document.value is None else document.value)
    if found is None or problems.found:
        raise UsageError(without_assigned_secrets("\n".join(map(str, problems.found))))
    return found


def _arguments(role: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--{role}-args: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise UsageError(f"--{role}-args should be a JSON object, such as '{{\"temperature\": 0}}'")
    return value
