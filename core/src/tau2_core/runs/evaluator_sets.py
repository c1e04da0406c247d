"""Evaluator sets: registered ones by name, or configured by a file such as `evaluation.yaml`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from tau2_core.episode.setting import Setting
from tau2_core.errors import UsageError
from tau2_core.evaluators.combine import RewardRule
from tau2_core.evaluators.grade import Grader
from tau2_core.model.registrations import EVALUATOR_SECONDS, DetectorSpec, EvaluatorSpec
from tau2_core.model.tasks import RewardType, Task
from tau2_core.name_suggestions import did_you_mean
from tau2_core.packs.problems import Problems
from tau2_core.packs.yaml_source import Place
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.problem_kinds import ProblemKind
from tau2_core.runs.evaluator_code import EvaluatorCode, EvaluatorCodeError

DEFAULT_SET = "tau2"
SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class EvaluatorSet:
    """Evaluators by criterion, the rule that combines their verdicts, and the detectors of the customer's faults.

    `name` is recorded in grades: the name of a registered set, or of a configuration with a digest of its content.
    """

    name: str
    specs: dict[str, EvaluatorSpec]
    combination: RewardRule
    detectors: Mapping[str, DetectorSpec]

    def grader(self, setting: Setting, *, review: bool = True) -> Grader:
        """Return a grader for the episodes of a setting, which also reviews their customers or does not."""
        return Grader(setting, self.name, self.specs, self.combination, self.detectors if review else None)

    def refuse_ungradable(self, grader: Grader, tasks: Iterable[Task]) -> None:
        """Refuse tasks that these evaluators cannot grade. Raises UsageError."""
        for task in tasks:
            if task.evaluation_criteria is None:
                continue
            basis = grader.basis(task)
            lacking = [criterion for criterion in basis if criterion not in self.specs]
            if lacking:
                known = ", ".join(sorted(self.specs))
                what = f"{lacking[0]} is in the reward basis of task {task.id!r}, but {self.name!r} has no evaluator"
                raise UsageError(f"--evaluators: {what} for it (it has {known}); add one, or exclude the task")
            if task.evaluation_criteria.reward_basis and not basis:
                what = f"nothing counts for the reward of task {task.id!r} under {self.name!r}"
                raise UsageError(f"--evaluators: {what}; let one of its criteria count, or exclude the task")


class EvaluatorEntry(BaseModel):
    """One evaluator: its code (by default that of the extended set), its options, and when it counts.

    If it takes longer than `seconds`, that is an evaluator error.
    """

    model_config = ConfigDict(extra="forbid")

    use: str | None = Field(default=None, description="Whose code: a registered evaluator, or a file and a function.")
    options: dict[str, Any] = Field(default_factory=dict, description="Options of the evaluator.")
    counts: Literal["basis", "always", "never"] | None = Field(
        default=None, description="When it counts for the reward: `basis`, `always` or `never`."
    )
    seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False, description="How long it may take.")


class EvaluationFile(BaseModel):
    """`evaluation.yaml`: evaluators by criterion, added to or replacing those of the set that it `extends`."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(default=None, pattern=r"^[\w.-]+$", description="A name for it, shown in reports.")
    extends: str | None = Field(default=None, description="The set that it begins with.")
    evaluators: dict[str, EvaluatorEntry] = Field(default_factory=dict, description="Evaluators by criterion.")
    weights: dict[str, float] = Field(
        default_factory=dict, description="Weights by criterion; the reward is then a weighted mean."
    )
    gates: list[str] = Field(default_factory=list, description="Criteria that must be met for any reward.")
    solved_from: float = Field(
        default=1.0, gt=0, le=1, allow_inf_nan=False, description="The reward from which a task counts as solved."
    )


def choose_evaluators(catalogue: Catalogue, chosen: str | None, setting: Setting | None = None) -> EvaluatorSet:
    """Return the evaluators for a set's name or a file; by default those of the pack's manifest for its own tasks.

    Raises UsageError with every problem of a file, by line.
    """
    base = Path()
    if chosen is None and setting is not None and setting.dataset is None:
        chosen, base = setting.pack.manifest.evaluation.evaluators, setting.pack.folder
    chosen = DEFAULT_SET if chosen is None else chosen
    if chosen.endswith(SUFFIXES):
        return read_evaluation(base / chosen, catalogue)
    if "@" in chosen:
        own = None if setting is None else choose_evaluators(catalogue, None, setting)
        if own is not None and own.name == chosen:
            return own
        raise UsageError(f"{chosen} is a configuration: give its file with --evaluators FILE")
    return EvaluatorSet(chosen, catalogue.evaluators(chosen), RewardRule(), catalogue.detectors())


def read_evaluation(file: Path, catalogue: Catalogue) -> EvaluatorSet:
    """Read a configuration. Raises UsageError."""
    problems = Problems("evaluation")
    document = problems.read(file)
    content = None
    if document is not None:
        content = problems.validate(EvaluationFile, document, document.value if document.value is not None else {})
    found = None
    if document is not None and content is not None:
        found = _Builder(content, Place(document, ()), catalogue, problems).build()
    if found is None or problems.found:
        raise UsageError("\n".join(map(str, problems.found)))
    return found


class _Builder:
    def __init__(self, content: EvaluationFile, place: Place, catalogue: Catalogue, problems: Problems) -> None:
        self.content = content
        self.place = place
        self.catalogue = catalogue
        self.problems = problems
        self.code: dict[str, str] = {}

    def build(self) -> EvaluatorSet:
        file = self.place.document.file
        specs = self._extended()
        inherited = set(specs)
        never: list[str] = []
        for criterion, entry in self.content.evaluators.items():
            spec = self._spec(criterion, entry, specs.get(criterion))
            if spec is not None:
                specs[criterion] = spec
            if entry.counts == "never":
                never.append(criterion)
            if criterion not in inherited and entry.counts in (None, "basis") and criterion not in get_args(RewardType):
                what = f"no task's reward basis can name {criterion}, so it never counts"
                self._note(what, "evaluators", criterion, hint="`counts: always`, or `never` to report it")
        self._combination(specs, never)
        if not specs:
            self._note("it has no evaluators", hint="name a set with `extends`, or write `evaluators`")
        name = f"{self.content.name or file.stem}@{self._digest()}"
        rule = RewardRule(self.content.weights, self.content.gates, never, self.content.solved_from)
        return EvaluatorSet(name, specs, rule, self.catalogue.detectors())

    def _note(self, what: str, *path: str | int, hint: str = "") -> None:
        self.problems.at(self.place.source(*path), ProblemKind.EVALUATION, what, hint=hint)

    def _extended(self) -> dict[str, EvaluatorSpec]:
        if self.content.extends is None:
            return {}
        try:
            return dict(self.catalogue.evaluators(self.content.extends))
        except UsageError as error:
            self._note(f"extends: {error}", "extends")
            return {}

    def _spec(self, criterion: str, entry: EvaluatorEntry, known: EvaluatorSpec | None) -> EvaluatorSpec | None:
        place = ("evaluators", criterion)
        if entry.use is None and known is None:
            hint = "name its code: `use: package.module:function`, or `./file.py:function`"
            self._note(f"there is no evaluator for {criterion} to extend", *place, hint=hint)
            return None
        seconds = EVALUATOR_SECONDS
        try:
            if entry.use is None or ":" not in entry.use:
                spec = self._registered(entry.use) if entry.use is not None else known
                assert spec is not None
                code, seconds = EvaluatorCode.of(spec.evaluate), spec.seconds
            else:
                code = EvaluatorCode.find(entry.use, self.place.document.file.parent)
                self.code[criterion] = code.digest()
            always = entry.counts == "always" or (entry.counts is None and known is not None and known.always)
            options = code.with_options(entry.options)
            return EvaluatorSpec(criterion, "", criterion, options, always, entry.seconds or seconds)
        except EvaluatorCodeError as error:
            part = ("options", *error.path) if error.path else ("use",) if entry.use else ()
            self._note(f"{criterion}: {error}", *place, *part, hint=error.hint)
            return None

    def _registered(self, name: str) -> EvaluatorSpec:
        specs: dict[str, EvaluatorSpec] = {spec.name: spec for spec in self.catalogue.all_evaluators()}
        if name not in specs:
            raise EvaluatorCodeError(f"no evaluator {name!r}", did_you_mean(name, specs))
        return specs[name]

    def _combination(self, specs: dict[str, EvaluatorSpec], never: list[str]) -> None:
        for criterion, weight in self.content.weights.items():
            self._counts(criterion, specs, never, "weights", criterion)
            if not 0 < weight < float("inf"):
                self._note(f"weights: {criterion} should be above 0, not {weight:g}", "weights", criterion)
        for index, criterion in enumerate(self.content.gates):
            self._counts(criterion, specs, never, "gates", index)

    def _counts(
        self, criterion: str, specs: dict[str, EvaluatorSpec], never: list[str], section: str, key: str | int
    ) -> None:
        if criterion not in specs and criterion not in self.content.evaluators:
            hint = did_you_mean(criterion, {*specs, *self.content.evaluators})
            self._note(f"{section}: there is no evaluator for {criterion}", section, key, hint=hint)
        elif criterion in never:
            what = f"{section}: {criterion} never counts, so it cannot affect the reward"
            self._note(what, section, key, hint="remove it here, or let it count")

    def _digest(self) -> str:
        """Return a digest of the content and the files that it names, to distinguish configurations of one name."""
        content = {**self.content.model_dump(mode="json"), "code": self.code}
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:12]
