"""Regrading official result files and transcripts in parallel, and comparing with what was recorded."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from tau2_core.adapters.tau2_bench.results import ResultFile, read_result_file, result_files
from tau2_core.adapters.transcripts import TranscriptFile, is_transcript, read_transcripts
from tau2_core.episode.setting import Setting
from tau2_core.errors import DatasetError, Tau2GymError, UsageError
from tau2_core.evaluators.grade import Grader
from tau2_core.model.episodes import ArgumentMode
from tau2_core.model.evaluation import Grade
from tau2_core.name_suggestions import did_you_mean
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.runs.agreement import Agreement
from tau2_core.runs.evaluator_sets import choose_evaluators
from tau2_core.runs.executors.computation import Work, compute
from tau2_core.runs.executors.launching import ChosenExecutor
from tau2_core.runs.loading import load_domain_pack, load_setting, open_catalogue
from tau2_core.runs.replay import ReplayMismatch, record_differences

CHUNK = 40
MANY_FILES = 64  # of as many files, each is read only by the worker that grades it
WHOLE = 1 << 25  # bytes; larger files are split all the same


@dataclass(frozen=True)
class Regrading:
    """Options of regrading; small, so that they can be sent to other processes.

    `fresh_tasks`: use the tasks of the dataset (or the pack) instead of those in a file. `domain` overrides the domain
    of the files. `task` is that of a transcript's lines that name none, and `solo` says that transcripts were played
    without a customer. `keep_grades`: return the grades, and not only figures; this takes memory for each conversation.
    """

    evaluators: str = "tau2"
    dataset: Path | None = None
    fresh_tasks: bool = False
    domain: str | None = None
    task: str | None = None
    solo: bool = False
    packs: tuple[Path, ...] = ()
    blocked: tuple[str, ...] = ()
    keep_grades: bool = False


@dataclass(slots=True)
class FileFigures:
    """How many conversations of a file were graded and solved, and the sum of their rewards.

    A conversation that could not be graded counts as 0.
    """

    conversations: int = 0
    solved: int = 0
    rewards: float = 0.0

    @property
    def mean_reward(self) -> float:
        return self.rewards / self.conversations

    def add(self, other: FileFigures) -> None:
        self.conversations += other.conversations
        self.solved += other.solved
        self.rewards += other.rewards


@dataclass(frozen=True, slots=True)
class Graded:
    """One conversation's new grade."""

    file: str
    conversation: str
    grade: Grade


@dataclass
class Regraded:
    """The result of regrading: figures, the agreement with recorded verdicts, and files that could not be read.

    `grades` are all grades if they are kept, `crashed` those for which an evaluator crashed. `kept` counts
    conversations that were graded by their file's task, since the domain has no such task. `differences` are the tool
    results of transcripts that differ from those of the same calls here.
    """

    agreement: Agreement = field(default_factory=Agreement)
    files: dict[str, FileFigures] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    grades: list[Graded] = field(default_factory=list)
    crashed: list[Grade] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    differences: list[ReplayMismatch] = field(default_factory=list)
    kept: int = 0

    def add(self, graded: Graded, *, keep: bool) -> None:
        """Add a conversation's grade to the figures, and `keep` it."""
        grade = graded.grade
        figures = FileFigures(1, int(grade.solved), grade.reward or 0.0)
        self.files.setdefault(graded.file, FileFigures()).add(figures)
        self.outcomes[grade.outcome.value] += 1
        if any(verdict.traceback for verdict in grade.verdicts.values()):
            self.crashed.append(grade)
        if keep:
            self.grades.append(graded)

    def merge(self, other: Regraded) -> None:
        self.agreement.merge(other.agreement)
        for file, figures in other.files.items():
            self.files.setdefault(file, FileFigures()).add(figures)
        self.outcomes += other.outcomes
        self.grades += other.grades
        self.crashed += other.crashed
        self.problems += other.problems
        self.differences += other.differences
        self.kept += other.kept

    @property
    def conversations(self) -> int:
        return sum(figures.conversations for figures in self.files.values())

    @property
    def mean_reward(self) -> float | None:
        """The mean over all conversations; one that could not be graded counts as 0."""
        rewards = sum(figures.rewards for figures in self.files.values())
        return rewards / self.conversations if self.files else None


async def regrade(
    paths: Iterable[Path],
    how: Regrading,
    executor: ChosenExecutor,
    on_done: Callable[[int], None] = lambda _number: None,
) -> Regraded:
    """Grade every conversation of the files; the executor's workers read them too.

    Files and conversations that cannot be read are problems in the result; the others are graded. Raises DatasetError
    for a path that does not exist, UsageError for an unknown evaluator set.
    """
    choose_evaluators(_catalogue(how.packs, how.blocked), how.evaluators)
    files = list(dict.fromkeys(file for path in paths for file in result_files(path)))
    total = Regraded()

    def take(result: bytes) -> None:
        part: Regraded = pickle.loads(result)  # noqa: S301 - of a worker that has proved itself
        total.merge(part)
        on_done(part.conversations)

    given = (each for file in files for each in _parts(file, how, split=len(files) < MANY_FILES))
    await compute(executor, _RegradeParts(how), given, take, batch=1)
    return total


def _parts(file: Path, how: Regrading, *, split: bool) -> Iterator[bytes]:
    """Yield the parts of a file that are graded at a time: its name, and where they begin and end; None for the end."""
    stops: Iterable[int | None] = [None]
    if split or file.stat().st_size > WHOLE:
        with suppress(DatasetError):  # it is reported by whoever grades the file
            stops = range(CHUNK, len(_file(file, how)) + CHUNK, CHUNK)
    start: int | None = 0
    for stop in stops:
        yield json.dumps([str(file), start, stop]).encode()
        start = stop


@dataclass(frozen=True)
class _RegradeParts:
    """Grading parts of files."""

    how: Regrading

    def prepare(self) -> Work:
        async def work(given: bytes) -> bytes:
            file, start, stop = json.loads(given)
            return pickle.dumps(_grade_part(Path(file), start, stop, self.how))

        return work

    def lost(self, given: bytes, why: str) -> bytes:
        file, start, stop = json.loads(given)
        which = f"from {start + 1} on" if stop is None else f"{start + 1} to {stop}"
        return pickle.dumps(Regraded(problems=[f"{file}: conversations {which}: {why}"]))


@lru_cache(maxsize=4)
def _file(path: Path, how: Regrading) -> ResultFile | TranscriptFile:
    if not is_transcript(path):
        return read_result_file(path)
    return read_transcripts(path, how.task, solo=how.solo, mode="tau2" if how.dataset else "strict")


@lru_cache(maxsize=1)
def _catalogue(packs: Sequence[Path], blocked: Sequence[str]) -> Catalogue:
    return open_catalogue(packs, blocked)


@lru_cache(maxsize=32)
def _setting(domain: str, how: Regrading, solo: bool, mode: ArgumentMode) -> Setting:
    catalogue = _catalogue(how.packs, how.blocked)
    name, variant = split_domain(catalogue, domain)
    return load_setting(catalogue, name, dataset=how.dataset, variant=variant, solo=solo, mode=mode)


def split_domain(catalogue: Catalogue, official: str) -> tuple[str, str]:
    """Return the domain and variant behind an official name such as `telecom-workflow`. Raises UsageError."""
    names = [domain.name for domain in catalogue.domains()]
    if official in names:
        return official, ""
    for name in names:
        variant = official.removeprefix(f"{name}-")
        if variant != official and variant in load_domain_pack(catalogue, name).manifest.variants:
            return name, variant
    more = catalogue.unknown_because_broken()
    raise UsageError(f"no domain {official!r} is installed ({did_you_mean(official, names)}){more}")


def _grade_part(path: Path, start: int, stop: int | None, how: Regrading) -> Regraded:
    result = Regraded()
    try:
        file = _file(path, how)
    except DatasetError as error:
        result.problems.append(str(error))
        return result
    domain = how.domain or file.domain
    try:
        if domain is None:
            where = "" if isinstance(file, TranscriptFile) else " (info.environment_info.domain_name)"
            raise UsageError(f"it does not name its domain{where}; give it with --domain")
        setting = _setting(domain, how, file.solo, file.mode)
        # A file's own tasks count, and files may have different tasks with one id, so gold states are kept per part.
        grader = choose_evaluators(_catalogue(how.packs, how.blocked), how.evaluators).grader(setting)
    except Tau2GymError as error:
        result.problems += [f"{path}: {error}"] if start == 0 else []
        return result
    for number in range(start, len(file) if stop is None else min(stop, len(file))):
        try:
            _grade_one(file, number, domain, grader, how, result)
        except Tau2GymError as error:
            result.problems.append(str(error))
    return result


def _grade_one(
    file: ResultFile | TranscriptFile, number: int, domain: str, grader: Grader, how: Regrading, result: Regraded
) -> None:
    setting = grader.setting
    conversation = file.conversation(number, domain, lambda task_id: setting.tasks().get(task_id))
    task = conversation.task
    if how.fresh_tasks:
        fresh = setting.tasks().get(task.id)
        result.kept += fresh is None
        task = fresh or task
    if isinstance(file, TranscriptFile):
        line = file.line_number(number)
        for difference in record_differences(setting, task, conversation.record):
            result.differences.append(ReplayMismatch(file.file, line, conversation.id, *difference))
    grade = grader.grade(conversation.record, task)
    result.agreement.add(conversation, grade)
    result.add(Graded(str(file.file), conversation.id, grade), keep=how.keep_grades)
