"""Proving all tasks of a pack, one at a time, in this process or by workers."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tau2_core.errors import Problem, RunError
from tau2_core.packs.load import load_pack
from tau2_core.packs.pack import Pack
from tau2_core.packs.problems import Problems
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.problem_kinds import ProblemKind
from tau2_core.runs.digests import pack_files
from tau2_core.runs.executors.computation import Work, compute
from tau2_core.runs.executors.launching import ChosenExecutor
from tau2_core.runs.family_proofs import family_tasks_to_play
from tau2_core.runs.loading import open_catalogue
from tau2_core.runs.task_findings import Finding, MergedFindings, TaskFindings
from tau2_core.runs.task_proofs import TaskProver


@dataclass(frozen=True)
class Proving:
    """An executor that plays tasks. Its workers open the same catalogue from packs and blocked names."""

    executor: ChosenExecutor
    packs: Sequence[Path] = ()
    blocked: Sequence[str] = ()


async def prove_tasks(
    pack: Pack,
    catalogue: Catalogue,
    by: Proving,
    problems: Problems,
    warnings: Problems,
    differing_ids: Mapping[str, Problem],
    on_task: Callable[[], None],
) -> tuple[int, list[str]]:
    """Play tasks; return their number, and the ids of those whose gold works.

    `differing_ids` are the warnings about ids that are not the key of their record. Raises RunError, PluginError if
    workers cannot be used.
    """
    task_set = pack.task_set()
    chosen = [*task_set.written, *family_tasks_to_play(task_set)]
    found = MergedFindings(problems, warnings, differing_ids)
    sound: list[str] = []
    waiting = iter(chosen)

    def take(result: bytes) -> None:
        task_id, findings = next(waiting), _unpacked(result)
        found.add(findings)
        if findings.sound:
            sound.append(task_id)
        on_task()

    work = ProvingWork(
        domain=pack.name,
        packs=tuple(by.packs),
        blocked=tuple(by.blocked),
        unsound=pack.unsound,
        digest="" if by.executor.is_here else pack_files(pack).digest(),
    )
    work.use(pack, catalogue)
    await compute(by.executor, work, (task_id.encode() for task_id in chosen), take, batch=1)
    return len(chosen), sound


def _unpacked(result: bytes) -> TaskFindings:
    findings: TaskFindings = pickle.loads(result)  # noqa: S301 - of a worker that has proved itself
    return findings


@dataclass(kw_only=True)
class ProvingWork:
    """Proves the tasks of a domain. Each worker loads its pack, which must have the `digest`.

    `unsound` are the names whose handlers the checks before have found unusable.
    """

    domain: str
    packs: Sequence[Path]
    blocked: Sequence[str]
    unsound: frozenset[str]
    digest: str
    _loaded: tuple[Pack, Catalogue] | None = field(default=None, init=False, repr=False)

    def use(self, pack: Pack, catalogue: Catalogue) -> None:
        """Use a pack that is already loaded in this process."""
        self._loaded = pack, catalogue

    def _load(self) -> tuple[Pack, Catalogue]:
        catalogue = open_catalogue(self.packs, self.blocked)
        parts = catalogue.toolsets(self.domain), catalogue.search_parts()
        known = Problems(self.domain)  # the process that asks reports them
        pack = load_pack(catalogue.domain(self.domain), known, *parts)
        if pack is None or pack_files(pack).digest() != self.digest:
            raise RunError(
                f"its {self.domain} differs from that of the process that asks; install the same version on both"
            )
        pack.task_set(known)
        pack.unsound |= self.unsound
        return pack, catalogue

    def prepare(self) -> Work:
        prover = TaskProver(*(self._loaded or self._load()))

        async def work(given: bytes) -> bytes:
            return pickle.dumps(await prover.prove(given.decode()))

        return work

    def lost(self, given: bytes, why: str) -> bytes:
        assert self._loaded is not None
        pack, _ = self._loaded
        task_id = given.decode()
        place = pack.task_set().source(task_id).source()
        what = f"task {task_id!r} cannot be played: {why}"
        hint = "find what ends its process: os._exit, a crash of native code, or a lack of memory"
        problem = Problem(pack.name, ProblemKind.PROCESS_ENDS, place.file, what, place.line, hint)
        return pickle.dumps(TaskFindings([Finding(problem)]))

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_loaded": None}  # not sent: each worker loads its own
