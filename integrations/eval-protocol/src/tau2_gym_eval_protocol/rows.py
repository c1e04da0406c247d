"""The row of an evaluation and its parts, with eval-protocol's JSON (spec/evaluation_test.md, 8)."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from tau2_core.adapters.chat_messages import text_of

DOMAIN = "evalprotocol.io"
ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"


class _Part(BaseModel):
    """A part of a row. Unknown keys are kept."""

    model_config = ConfigDict(extra="allow", ser_json_inf_nan="constants")


class Message(_Part):
    """A chat-completions message; `content` is text or a list of parts."""

    role: str
    content: str | list[dict[str, Any]] | None = ""
    reasoning_content: str | None = None
    name: str | None = None
    tool_call_id: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    function_call: dict[str, Any] | None = None
    control_plane_step: dict[str, Any] | None = None
    weight: int | None = None
    logprobs: Any = None

    @property
    def text(self) -> str:
        """The text parts of the content, joined."""
        return text_of(self.content)

    def for_request(self) -> dict[str, Any]:
        """Return the message in a form that a model's API accepts."""
        ours = {"control_plane_step", "reasoning_content", "weight", "logprobs"}
        return self.model_dump(mode="json", exclude=ours, exclude_none=True)


class Code(IntEnum):
    """The codes of `RowStatus` that we use; those below 100 are gRPC's."""

    OK = 0
    INTERNAL = 13
    FINISHED = 100
    RUNNING = 101
    SCORE_INVALID = 102


class RowStatus(_Part):
    """The status of a rollout or an evaluation."""

    code: int
    message: str = ""
    details: list[dict[str, Any]] = Field(default_factory=list)

    @property
    def is_error(self) -> bool:
        return self.code == Code.INTERNAL

    @property
    def termination_reason(self) -> str | None:
        reasons = [part.get("metadata", {}).get("termination_reason") for part in self.details]
        return next((str(reason) for reason in reasons if reason is not None), None)

    @classmethod
    def finished(cls, reason: str | None = None) -> RowStatus:
        """Return the status of a rollout that has ended, with the reason."""
        detail = {"@type": ERROR_INFO, "reason": "TERMINATION_REASON", "domain": DOMAIN}
        metadata = {"metadata": {"termination_reason": reason}}
        return cls(code=Code.FINISHED, message="Rollout finished", details=[detail | metadata] if reason else [])

    @classmethod
    def failed(cls, why: str) -> RowStatus:
        """Return the status of a rollout that failed through no fault of the agent."""
        return cls(code=Code.INTERNAL, message=why)


class InputMetadata(_Part):
    row_id: str | None = None
    completion_params: dict[str, Any] = Field(default_factory=dict)
    dataset_info: dict[str, Any] | None = None
    session_data: dict[str, Any] | None = None


Status = RowStatus  # the name in eval-protocol


class MetricResult(_Part):
    """One criterion's score."""

    score: float
    reason: str
    is_score_valid: bool = True
    data: dict[str, Any] = Field(default_factory=dict)


class EvaluateResult(_Part):
    """The result of an evaluation for a row. An invalid score is left out, unless an error made it invalid."""

    score: float
    is_score_valid: bool = True
    reason: str | None = None
    error: str | None = None
    metrics: dict[str, MetricResult] = Field(default_factory=dict)
    step_outputs: list[dict[str, Any]] | None = None
    trajectory_info: dict[str, Any] | None = None
    final_control_plane_info: dict[str, Any] | None = None
    agg_score: float | None = None
    standard_error: float | None = None


class CompletionUsage(_Part):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class ExecutionMetadata(_Part):
    invocation_id: str | None = None
    experiment_id: str | None = None
    rollout_id: str | None = None
    run_id: str | None = None
    usage: CompletionUsage | None = None
    cost_metrics: dict[str, Any] | None = None
    duration_seconds: float | None = None
    rollout_duration_seconds: float | None = None
    eval_duration_seconds: float | None = None
    experiment_duration_seconds: float | None = None
    extra: dict[str, Any] | None = None
    finish_reason: str | None = None
    tool_call_count: int | None = None
    raw_output: Any = None


class EvaluationThreshold(_Part):
    """The threshold of an evaluation: a score of at least `success`, a standard error of at most `standard_error`."""

    success: float
    standard_error: float | None = Field(default=None, ge=0.0, le=1.0)


class EvalMetadata(_Part):
    name: str
    description: str | None = None
    version: str = "0"
    status: RowStatus | None = None
    num_runs: int = 1
    aggregation_method: Literal["mean", "max", "min", "bootstrap"] = "mean"
    passed_threshold: EvaluationThreshold | None = None
    passed: bool | None = None


class EvaluationRow(_Part):
    """One item of an evaluation: its input, the conversation, and the result."""

    messages: list[Message] = Field(default_factory=list)
    tools: list[dict[str, Any]] | None = None
    input_metadata: InputMetadata = Field(default_factory=InputMetadata)
    rollout_status: RowStatus = Field(
        default_factory=lambda: RowStatus(code=Code.RUNNING, message="Rollout is running")
    )
    ground_truth: JsonValue = None
    evaluation_result: EvaluateResult | None = None
    execution_metadata: ExecutionMetadata = Field(default_factory=ExecutionMetadata)
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    eval_metadata: EvalMetadata | None = None
    pid: int | None = None

    @property
    def row_id(self) -> str:
        """The row's id, derived from its content if it has none."""
        known = self.input_metadata.row_id
        if known is None:
            known = self.input_metadata.row_id = f"row-{self.content_digest()[:12]}"
        return known

    def content_digest(self) -> str:
        """Return a digest of the row's content, without the metadata of its execution."""
        content = self.model_dump(mode="json", exclude={"created_at", "execution_metadata", "pid"}, exclude_none=True)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def score(self) -> float | None:
        """The score; None if there is no valid one."""
        result = self.evaluation_result
        return result.score if result is not None and result.is_score_valid else None

    def line(self) -> dict[str, Any]:
        """Return the row as a line of a results file, with the score repeated where readers expect it."""
        content = self.model_dump(mode="json", exclude_none=True)
        if self.evaluation_result is not None:
            details = {"score", "is_score_valid", "reason", "metrics"}
            content["evals"] = {"score": self.evaluation_result.score}
            content["eval_details"] = self.evaluation_result.model_dump(mode="json", include=details)
        return content
