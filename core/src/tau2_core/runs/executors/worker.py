"""A worker: it prepares the run that invited it, then plays and grades the slots that it is given."""

from __future__ import annotations

import asyncio
import json
import socket

from tau2_core.errors import Tau2GymError
from tau2_core.foreign_code import describe_error
from tau2_core.llm.cassette import Cassette
from tau2_core.model.episodes import EpisodeRecord, Slot
from tau2_core.model.evaluation import Judgement
from tau2_core.model.executors import Invitation
from tau2_core.runs.checked_plan import check_plan
from tau2_core.runs.composition import compose_run, open_pool, open_role_models, run_setting
from tau2_core.runs.executors.computation import Computation
from tau2_core.runs.executors.connection import Connection, connect
from tau2_core.runs.executors.messages import (
    Admitted,
    Broken,
    Compute,
    Computed,
    FromRun,
    GradedSlot,
    Judged,
    PlayedSlot,
    PlaySlot,
    Ready,
    Refused,
    Regrade,
    Setup,
    Traced,
)
from tau2_core.runs.executors.players import Keep, LocalPlayer, PlayableRun, Played, local_player
from tau2_core.runs.executors.remote_models import Admissions, cassette_of, reported
from tau2_core.runs.executors.run_description import RunDescription, unpacked
from tau2_core.runs.loading import open_catalogue
from tau2_core.runs.model_clients import closing
from tau2_core.runtime.event_loop import run_async
from tau2_core.runtime.watchdog import watched_for

# Seconds. The records of quicker episodes are sent with whatever else the event loop's turn sends: each message wakes
# the run, which costs a tenth of such an episode. If the worker ends before, it costs less to play them again.
QUICK = 0.02


def run_worker(invitation: Invitation) -> None:
    """Play and grade slots of the run that sent the invitation, until it has no more. Executors call this in a process.

    Packs, plugins and datasets are those of this process and its working directory. Raises RunError if the run cannot
    be reached. If the worker cannot play the run, the run reports why.
    """
    run_async(_work(invitation))


async def _work(invitation: Invitation) -> None:
    connection = await connect(invitation)
    try:
        setup = await connection.receive()
        if isinstance(setup, Setup):
            await _take_part(setup, connection)
    finally:
        await connection.close()


async def _take_part(setup: Setup, connection: Connection[FromRun]) -> None:
    try:
        description = unpacked(setup.description)
        if isinstance(description, RunDescription):
            await _play(description, connection)
        else:
            await _compute(description, connection)
    except Tau2GymError as error:
        connection.send(Refused(f"the worker on {socket.gethostname()} cannot take part: {error}"))


async def _compute(computation: Computation, connection: Connection[FromRun]) -> None:
    """Compute until the run has no more items. Raises the errors of `prepare`."""
    work = computation.prepare()
    connection.send(Ready())
    while (message := await connection.receive()) is not None:
        if isinstance(message, Compute):
            try:
                results = [await work(each) for each in message.given]
            except Exception as error:  # noqa: BLE001 - whatever it is, the run must not wait for these
                connection.send(Broken(_why(error)))
                return
            connection.send(Computed(message.number, results))
            await connection.drained()


async def _play(description: RunDescription, connection: Connection[FromRun]) -> None:
    """Play and grade until the run has no more slots. Raises Tau2GymError if it cannot be prepared."""
    admissions = Admissions(connection)
    cassette = cassette_of(description.inputs.options, connection)
    playing = _prepared(description, cassette, connection, admissions)
    plan = playing.checked.plan
    worker = _Worker(connection, admissions, cassette)
    with watched_for(plan.busy_seconds()):
        await closing(plan.participants.role_models, worker.work(playing))


def _prepared(
    description: RunDescription, cassette: Cassette | None, connection: Connection[FromRun], admissions: Admissions
) -> PlayableRun:
    """Load the run's content. Raises UsageError, PackError, DatasetError, and RunError if the content differs."""
    given = description.inputs
    catalogue = open_catalogue(given.options.pack, given.options.no_plugin)
    setting = run_setting(given.options, catalogue)
    pool = open_pool(given.options, cassette, lambda opened: reported(opened, admissions, connection))
    models = open_role_models(pool, given.options, catalogue, setting)
    composed = compose_run(given.options, catalogue, models, given.agent, given.user, given.tasks, setting)
    checked = check_plan(composed.plan, catalogue)
    description.refuse_another(checked.config)
    return PlayableRun(description.name, checked, catalogue, description.play_episode, description.episodes)


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, Tau2GymError) else describe_error(error)


class _Worker:
    def __init__(self, connection: Connection[FromRun], admissions: Admissions, cassette: Cassette | None) -> None:
        self._connection = connection
        self._admissions = admissions
        self._cassette = cassette
        self._known: dict[Slot, Judgement] = {}

    async def work(self, playing: PlayableRun) -> None:
        """Play and grade until the run closes the connection or has ended."""
        keep = Keep(self._keep_traced, self._keep_judgement, self._known)
        async with local_player(playing) as new_player:
            player = new_player(keep)
            self._connection.send(Ready())
            tasks: set[asyncio.Task[None]] = set()
            while (message := await self._connection.receive()) is not None:
                if isinstance(message, Admitted):
                    self._admissions.admit(message.number)
                elif isinstance(message, PlaySlot | Regrade):
                    task = asyncio.create_task(self._do(message, player))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)

    async def _do(self, message: PlaySlot | Regrade, player: LocalPlayer) -> None:
        try:
            slot = (
                await self._play(message, player)
                if isinstance(message, PlaySlot)
                else await self._regrade(message, player)
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the run must not wait for this slot
            self._connection.send(Broken(_why(error)))
            return
        self._known.pop(slot, None)
        if self._cassette is not None:
            self._cassette.remove(str(slot))
        await self._connection.drained()

    async def _play(self, message: PlaySlot, player: LocalPlayer) -> Slot:
        slot = Slot(message.task_id, message.trial)
        self._insert(message.exchanges)
        played = await player.play(slot, message.seed)
        self._connection.send(PlayedSlot(message.number, played.line, played.seconds, played.latency))
        if message.again or played.seconds > QUICK:
            self._connection.flush()  # the record is kept whatever happens while it is graded
        await self._grade(message.number, played, player)
        return slot

    async def _regrade(self, message: Regrade, player: LocalPlayer) -> Slot:
        record = EpisodeRecord.model_validate(json.loads(message.record))
        if message.judgement is not None:
            self._known[record.slot] = Judgement.model_validate_json(message.judgement)
        self._insert(message.exchanges)
        await self._grade(message.number, Played(record.slot, message.record, record=record), player)
        return record.slot

    async def _grade(self, number: int, played: Played, player: LocalPlayer) -> None:
        graded = await player.grade(played)
        self._connection.send(GradedSlot(number, graded.line, graded.seconds))

    def _insert(self, exchanges: list[bytes]) -> None:
        if self._cassette is not None:
            self._cassette.insert(exchanges)

    def _keep_traced(self, line: bytes) -> None:
        self._connection.send(Traced(line))

    def _keep_judgement(self, slot: Slot, judgement: Judgement) -> None:
        self._connection.send(Judged(slot.task_id, slot.trial, judgement.model_dump_json().encode()))
