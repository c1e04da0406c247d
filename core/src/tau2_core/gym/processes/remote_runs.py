"""The runs of a server as its workers see them: the front writes the folders; the workers play and grade."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from threading import Lock

from tau2_core.episode.setting import Setting
from tau2_core.gym.entries import GradedBy
from tau2_core.gym.hosted_episode import Blueprint, HostedEpisode
from tau2_core.gym.processes.content import content_digest, content_of_run
from tau2_core.gym.processes.messages import (
    Begin,
    Claim,
    Claimed,
    Closed,
    Entered,
    Fail,
    GaveBack,
    Graded,
    JudgedEntry,
    Keep,
    Lost,
    Open,
    Where,
)
from tau2_core.gym.processes.open_records import OpenRecords
from tau2_core.gym.processes.peer import Peer
from tau2_core.gym.served_run import ServedRun
from tau2_core.gym.served_runs import growing_plan
from tau2_core.gym.server_settings import ServerSettings
from tau2_core.gym.slot_claims import no_run
from tau2_core.gym.slots import Claim as SlotClaim
from tau2_core.gym.slots import Slots
from tau2_core.gym.worker_threads import WorkerThreads
from tau2_core.llm.cassette import Cassette
from tau2_core.model.episodes import EpisodeRecord, Slot
from tau2_core.model.evaluation import Grade, Judgement
from tau2_core.model.latency import Latency
from tau2_core.model.tokens import TracedCall
from tau2_core.runs.configuration import configuration
from tau2_core.runs.executors.messages import Judged
from tau2_core.runs.judgements import Judging
from tau2_core.runs.plan import Plan


class RemoteRuns:
    """Runs that the front writes. `plan` is that of the served run, if there is one."""

    def __init__(
        self,
        peer: Peer,
        settings: ServerSettings,
        open_records: OpenRecords,
        *,
        plan: Plan | None,
        slot_attempts: int,
        slot_seconds: float,
        judge_all: bool,
        cassette: Cassette | None,
    ) -> None:
        self.workers = WorkerThreads()
        self.slot_attempts = slot_attempts
        self.slot_seconds = slot_seconds
        self.over = False
        self.peer = peer
        self.settings = settings
        self.open_records = open_records
        self.judge_all = judge_all
        self.cassette = cassette
        self._plan = plan
        self._graded_by: GradedBy | None = None
        self._contents: dict[tuple[Setting, str], bytes] = {}
        self._lock = Lock()

    def prepare(self, blueprint: Blueprint, graded_by: GradedBy) -> None:
        """Choose the evaluators of an episode's setting."""
        self._graded_by = graded_by
        chosen = graded_by(blueprint.setting)
        if not blueprint.free:
            chosen.grader(blueprint.setting)
        key = blueprint.setting, blueprint.participants.user.name
        with self._lock:
            if key not in self._contents:
                plan = (
                    growing_plan(blueprint, chosen, judge_all=self.judge_all) if blueprint.slot is None else self._plan
                )
                assert plan is not None
                self._contents[key] = content_of_run(configuration(plan, self.settings.catalogue))

    async def begin(self, blueprint: Blueprint, episode_id: str) -> RemoteEntry:
        """Enter an episode into its run. Raises RunError."""
        slot, where = blueprint.slot, self.where(blueprint)
        task = b"" if blueprint.free or slot else _encoded(blueprint.task.model_dump(mode="json"))
        trial = None if slot is None else slot.trial
        request = Begin(episode_id, where, task, blueprint.seed, trial, blueprint.task.id)
        return RemoteEntry(self, blueprint, await self.peer.ask(request, Entered))

    def where(self, blueprint: Blueprint) -> Where | None:
        """Return the names by which the front finds an episode's setting and customer, None for a slot."""
        if blueprint.slot is not None:
            return None
        return Where(*self.settings.key_of(blueprint.setting), blueprint.participants.user.name)

    def content(self, blueprint: Blueprint) -> bytes:
        """Return the prepared content that an episode is played with."""
        return self._contents[blueprint.setting, blueprint.participants.user.name]

    def graded_by(self, blueprint: Blueprint, keep: RemoteEntry) -> Judging:
        """Return the judge of one entry."""
        assert self._graded_by is not None
        grader = self._graded_by(blueprint.setting).grader(blueprint.setting)
        panel = blueprint.participants.panel
        return Judging(panel, grader, keep.keep_judgement, {}, everywhere=self.judge_all)

    def over_budget(self) -> bool:
        return False  # the front checks this, and refuses further episodes

    def out_of_time(self) -> bool:
        return self.over

    def stop_if_due(self) -> None:
        """Do nothing: the front does this."""

    async def claim(self) -> SlotClaim:
        """Take the next slot. Raises RefusedError as the front does."""
        claimed = await self.peer.ask(Claim(), Claimed)
        return SlotClaim(Slot(claimed.task_id, claimed.trial), claimed.attempt)

    def blueprint(self, slot: Slot) -> Blueprint:
        """Return the blueprint of a slot's episode, as `ServedRun` does."""
        assert self._plan is not None
        task = next(task for task in self._plan.tasks if task.id == slot.task_id)
        talk = self.settings.conversation_tools
        seed = self._plan.seeds()[slot.trial]
        return Blueprint(self._plan.setting, task, self._plan.participants, seed, slot=slot, conversation_tools=talk)

    def any_slot(self) -> Blueprint:
        """Return the blueprint of any slot of the served run; all slots have the same content."""
        assert self._plan is not None
        return self.blueprint(next(iter(self._plan.own_slots())))

    def give_back(self, slot: Slot) -> None:
        self.peer.send(GaveBack(slot.task_id, slot.trial))

    def lose(self, slot: Slot) -> None:
        self.peer.send(Lost(slot.task_id, slot.trial))

    async def fail(self, slot: Slot, seed: int, why: str) -> None:
        await self.peer.ask(Fail(slot.task_id, slot.trial, seed, why), type(None))

    def served(self) -> tuple[ServedRun, Slots]:
        """Raise RefusedError (404): the front answers requests about the run."""
        raise no_run()

    async def grade_what_is_left(self) -> None:
        """Do nothing: the front does this."""

    async def close(self) -> None:
        """Do nothing: the front does this when all workers have ended."""


class RemoteEntry:
    """An episode's entry in a run that the front writes."""

    def __init__(self, runs: RemoteRuns, blueprint: Blueprint, entered: Entered) -> None:
        self.trial = entered.trial
        self.number = entered.entry
        self.run_name = entered.run
        self._runs = runs
        self._blueprint = blueprint
        if runs.cassette is not None:
            runs.cassette.insert(entered.exchanges)

    async def keep(self, episode_id: str, record: EpisodeRecord, traced: Sequence[TracedCall], *, lost: bool) -> None:
        """Send the record to the front, which appends it. Raises RunError."""
        lines = [_encoded(call.model_dump(mode="json")) for call in traced]
        await self._runs.peer.ask(Keep(self.number, episode_id, _encoded(record.line()), lines, lost), type(None))
        self._runs.open_records.remove(self.number)

    def asks_judge(self, record: EpisodeRecord) -> bool:
        """Tell whether a model must judge the episode, which takes seconds."""
        return not self._blueprint.free and self._judging().asks(record, self._blueprint.task)

    async def grade(self, record: EpisodeRecord, seconds: float, latency: Latency) -> Grade | None:
        """Grade the kept record, with the judge's decision if it counts. Raises RunError."""
        if self._blueprint.free:
            await self._runs.peer.ask(Graded(self.number, b"", seconds, latency), type(None))
            return None
        judging, task = self._judging(), self._blueprint.task
        judgement = await judging.judgement(record, task)
        grade = await self._runs.workers.run(lambda: judging.grader.grade(record, task, judgement))
        line = _encoded(grade.model_dump(mode="json"))
        await asyncio.shield(self._runs.peer.ask(Graded(self.number, line, seconds, latency), type(None)))
        return grade

    def keep_judgement(self, slot: Slot, judgement: Judgement) -> None:
        """Send the judge's decision to the front, which appends it."""
        judged = Judged(slot.task_id, slot.trial, judgement.model_dump_json().encode())
        self._runs.peer.send(JudgedEntry(self.number, judged))

    def _judging(self) -> Judging:
        return self._runs.graded_by(self._blueprint, self)


class RemoteFront:
    """The front as a worker's registry uses it."""

    def __init__(self, runs: RemoteRuns) -> None:
        self._runs = runs
        self._peer = runs.peer
        self._open_records = runs.open_records

    async def open(self, episode: HostedEpisode) -> None:
        """Register an episode before its client knows of it. Raises RefusedError."""
        keys, plan = [episode.agent_key, episode.user_key], episode.blueprint
        request = Open(episode.id, keys, self._runs.where(plan), content_digest(self._runs.content(plan)))
        await self._peer.ask(request, type(None))

    def close(self, episode: HostedEpisode) -> None:
        """Remove a closed episode, and its file if its record is kept or its slot is played again."""
        if isinstance(episode.entry, RemoteEntry) and episode.kept:
            self._open_records.remove(episode.entry.number)
        self._peer.send(Closed(episode.id))

    def note(self, episode: HostedEpisode) -> None:
        """Write what has happened to disk."""
        if isinstance(episode.entry, RemoteEntry) and not episode.kept:
            self._open_records.note(episode.entry.number, episode, episode.entry.run_name)


def _encoded(content: object) -> bytes:
    return json.dumps(content).encode()
