"""Grading the records of a run folder, one at a time, in this process or by workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from tau2_core.episode.setting import Setting
from tau2_core.errors import RunError
from tau2_core.evaluators.grade import Grader
from tau2_core.model.episodes import EpisodeRecord
from tau2_core.model.evaluation import Judgement
from tau2_core.model.tasks import Task
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.records.journal import EPISODES, JUDGEMENTS, content_of, encoded_line
from tau2_core.records.judgement_lines import judgement_of
from tau2_core.records.lines import Line, json_content
from tau2_core.redaction import environment_redactor
from tau2_core.runs.code_files import code_digest, core_digest
from tau2_core.runs.digests import content_digests
from tau2_core.runs.evaluator_sets import choose_evaluators
from tau2_core.runs.executors.computation import Work
from tau2_core.runs.loading import load_setting, open_catalogue


def setting_of(config: Mapping[str, Any], catalogue: Catalogue, dataset: Path | None = None) -> Setting:
    """Return the setting of a run; `dataset` is the current location of its dataset.

    Raises UsageError, PackError, DatasetError.
    """
    return load_setting(
        catalogue,
        config["domain"],
        dataset=dataset_of(config, dataset),
        variant=config.get("variant", ""),
        variant_options=config.get("variant_options"),
        solo=bool(config.get("solo")),
        mode=config.get("mode"),
    )


def dataset_of(config: Mapping[str, Any], moved: Path | None) -> Path | None:
    """Return the folder of a run's dataset, None if it has none."""
    played = config.get("dataset")
    return (moved or Path(played["folder"])) if played else None


class RecordToGrade(msgspec.Struct, array_like=True):
    """A line of `episodes.jsonl` with its number, and the line of its judgement, "" if there is none."""

    number: int
    record: bytes
    judgement_number: int = 0
    judgement: bytes = b""

    def encoded(self) -> bytes:
        return msgspec.msgpack.encode(self)


@dataclass(kw_only=True)
class GradingOfRun:
    """Grades the records of a run folder. A worker loads the run's packs and evaluators, but does not need its folder.

    `code` is the digest of the run's evaluators, which a worker's must match; "" before they are loaded.
    """

    folder: Path
    config: Mapping[str, Any]
    tasks: Mapping[str, Task]
    evaluators: str
    dataset: Path | None
    packs: Sequence[Path]
    blocked: Sequence[str]
    code: str = ""
    _grader: Grader | None = field(default=None, init=False, repr=False)

    def load(self, catalogue: Catalogue) -> Grader:
        """Load what grading needs. Raises RunError if it differs from the run's, UsageError for an unknown set."""
        setting = setting_of(self.config, catalogue, self.dataset)
        for what, digest in content_digests(setting).items():
            if self.config["digests"].get(what) != digest:
                raise RunError(
                    f"{self.folder} was played with another {what}, whose files have changed since; restore them, or "
                    "play it again"
                )
        chosen = choose_evaluators(catalogue, self.evaluators, setting)
        evaluators = code_digest(spec.evaluate for spec in chosen.specs.values())
        code = f"{core_digest()} {chosen.name} {evaluators}"
        if self.code not in ("", code):
            raise RunError(
                "its evaluators or its version of tau2-core differ from those of the process that grades; install the "
                "same versions on both"
            )
        self.code, self._grader = code, chosen.grader(setting)
        return self._grader

    def prepare(self) -> Work:
        grader = self._grader or self.load(open_catalogue(self.packs, self.blocked))
        redactor = environment_redactor()

        async def work(given: bytes) -> bytes:
            each = msgspec.msgpack.decode(given, type=RecordToGrade)
            record = self._record(each)
            judgement = self._judgement(each, each.judgement) if each.judgement else None
            grade = await grader.grade_aside(record, self.tasks[record.task_id], judgement)
            return encoded_line(grade.model_dump(mode="json"), redactor)

        return work

    def lost(self, given: bytes, why: str) -> bytes:
        assert self._grader is not None
        record = self._record(msgspec.msgpack.decode(given, type=RecordToGrade))
        grade = self._grader.ungraded(record.slot, self.tasks[record.task_id], why)
        return encoded_line(grade.model_dump(mode="json"), environment_redactor())

    def _record(self, each: RecordToGrade) -> EpisodeRecord:
        file = self.folder / EPISODES
        return content_of(file, each.number, EpisodeRecord, json_content(file, Line(each.number, 0, 0, each.record)))

    def _judgement(self, each: RecordToGrade, content: bytes) -> Judgement:
        file = self.folder / JUDGEMENTS
        return judgement_of(file, each.judgement_number, json_content(file, Line(each.judgement_number, 0, 0, content)))

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_grader": None}  # not sent: each worker loads its own
