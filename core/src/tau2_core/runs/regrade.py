"""Re-grading official result files in parallel, and comparing with the verdicts that they hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

from tau2_core.adapters.tau2_bench.results import Conversation, ResultFile, read_result_files
from tau2_core.episode.setting import Setting
from tau2_core.errors import UsageError
from tau2_core.evaluators.grade import Grader
from tau2_core.model.evaluation import Grade
from tau2_core.names import did_you_mean
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.runs.agreement import Agreement
from tau2_core.runs.prepare import load_domain, open_catalogue, prepare

CHUNK = 40


@dataclass(frozen=True)
class Regrading:
    """What to grade with; small, so that it can be handed to other processes."""

    evaluators: str = "tau2"
    dataset: Path | None = None
    fresh_tasks: bool = False
    packs: Sequence[Path] = ()
    blocked: Sequence[str] = ()


@dataclass
class Regraded:
    """What a re-grading came to: grades by file, figures, and the agreement with what was recorded."""

    agreement: Agreement = field(default_factory=Agreement)
    rewards: list[float] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    grades: list[tuple[str, str, Grade]] = field(default_factory=list)

    def merge(self, other: Regraded) -> None:
        self.agreement.merge(other.agreement)
        self.rewards += other.rewards
        self.outcomes += other.outcomes
        self.grades += other.grades


def regrade(
    paths: Iterable[Path], how: Regrading, *, workers: int, on_done: Callable[[], None] = lambda: None
) -> Regraded:
    """Grade every conversation of the files, in `workers` processes; 1 stays in this one.

    Raises DatasetError for a file that cannot be read, UsageError for a domain that is not installed.
    """
    chunks = [chunk for path in paths for file in read_result_files(path) for chunk in _chunks(file)]
    total = Regraded()
    if workers <= 1 or len(chunks) <= 1:
        for file, start in chunks:
            total.merge(_grade_chunk(file, start, how))
            on_done()
        return total
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for part in pool.map(_grade_chunk, *zip(*chunks, strict=True), [how] * len(chunks)):
            total.merge(part)
            on_done()
    return total


def _chunks(file: ResultFile) -> Iterator[tuple[Path, int]]:
    for start in range(0, len(file.simulations), CHUNK):
        yield file.file, start


@lru_cache(maxsize=4)
def _file(path: Path) -> tuple[ResultFile, tuple[Conversation, ...]]:
    (file,) = read_result_files(path)
    return file, tuple(file.conversations())


@lru_cache(maxsize=1)
def _catalogue(packs: tuple[Path, ...], blocked: tuple[str, ...]) -> Catalogue:
    return open_catalogue(packs, blocked)


@lru_cache(maxsize=32)
def _setting(domain: str, how: Regrading, solo: bool) -> Setting:
    catalogue = _catalogue(tuple(how.packs), tuple(how.blocked))
    name, variant = split_domain(catalogue, domain)
    return prepare(catalogue, name, dataset=how.dataset, variant=variant, solo=solo, mode="tau2")


def split_domain(catalogue: Catalogue, official: str) -> tuple[str, str]:
    """Return the domain and variant behind an official name such as `telecom-workflow`. Raises UsageError."""
    names = [domain.name for domain in catalogue.domains()]
    if official in names:
        return official, ""
    for name in names:
        variant = official.removeprefix(f"{name}-")
        if variant != official and variant in load_domain(catalogue, name).manifest.variants:
            return name, variant
    raise UsageError(f"no domain {official!r} is installed ({did_you_mean(official, names)})")


def _grade_chunk(path: Path, start: int, how: Regrading) -> Regraded:
    _, conversations = _file(path)
    result = Regraded()
    graders: dict[tuple[str, bool, str], Grader] = {}
    for conversation in conversations[start : start + CHUNK]:
        # A file's own tasks decide, and two files may hold different tasks of one id, so gold states are kept apart.
        key = (conversation.domain, conversation.solo, conversation.task.id)
        if key not in graders:
            setting = _setting(conversation.domain, how, conversation.solo)
            specs = _catalogue(tuple(how.packs), tuple(how.blocked)).evaluators(how.evaluators)
            graders[key] = Grader(setting, how.evaluators, specs)
        grader, task = graders[key], conversation.task
        if how.fresh_tasks:
            task = grader.setting.tasks().get(task.id, task)
        grade = grader.grade(conversation.record, task)
        result.agreement.add(conversation, grade)
        result.rewards.append(grade.reward or 0.0)
        result.outcomes[grade.outcome.value] += 1
        result.grades.append((str(path), conversation.id, grade))
    return result
