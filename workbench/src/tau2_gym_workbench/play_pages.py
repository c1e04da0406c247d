"""The pages on which an episode is played, graded, kept as a run, and turned into a task."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from tau2_core.errors import Tau2GymError, UsageError
from tau2_core.model.episodes import EpisodeRecord
from tau2_core.model.tools import Role
from tau2_core.name_suggestions import did_you_mean
from tau2_core.terminal_text import printable

from tau2_gym_workbench.alignment import align
from tau2_gym_workbench.authoring import OUTCOMES, task_content, task_yaml, write_task
from tau2_gym_workbench.episodes import turns
from tau2_gym_workbench.forms import read_form
from tau2_gym_workbench.links import Links
from tau2_gym_workbench.pages import PageSource, mark
from tau2_gym_workbench.play import OTHERS, Choice, OpenPlays, OtherPlayer, Play, fields, hang_up, read_arguments
from tau2_gym_workbench.time_machine import TimeMachine, time_machine


class PlayPages:
    """Pages to choose a task, play it and use the result. `pack` is the folder that `tau2-gym dev` works on."""

    def __init__(self, source: PageSource, links: Links, pack: Path | None = None) -> None:
        self.source = source
        self.links = links
        self.pack = pack
        self.plays = OpenPlays(source.settings, source.runs.folder)

    def routes(self) -> list[BaseRoute]:
        """Return the routes."""
        step = ("say", "call", "grade", "keep", "again", "task")
        return [
            Route("/play", self.choose),
            Route("/play", self.begin, methods=["POST"]),
            Route("/play/{id}", self.show),
            *(Route(f"/play/{{id}}/{name}", getattr(self, name), methods=["POST"]) for name in step),
        ]

    def choose(self, request: Request) -> Response:
        settings = self.source.settings
        names = sorted({domain.name for domain in settings.catalogue.domains()})
        domain = request.query_params.get("domain") or (names[0] if names else "")
        if domain not in names:
            raise UsageError(f"there is no domain {domain!r} ({did_you_mean(domain, names)})")
        setting = settings.domain(domain)
        tasks = list(setting.tasks())
        return self._page(
            "play_choose.html",
            "Play",
            domains=names,
            domain=domain,
            tasks=tasks,
            task=request.query_params.get("task", tasks[0] if tasks else ""),
            variants=list(setting.pack.manifest.variants),
            variant=request.query_params.get("variant", setting.variant),
            default_variant=setting.pack.manifest.default_variant,
            others=OTHERS,
        )

    async def begin(self, request: Request) -> Response:
        form = await read_form(request)
        side: Role = "user" if form.get("side") == "user" else "agent"
        model = form.get("model", "").strip()
        arguments = _json_object(form, "arguments", "the model's arguments") if model else None
        other = (
            OtherPlayer(model, arguments) if model else OtherPlayer(form.get(f"other-{side}", "") or OTHERS[side][0])
        )
        domain = form.get("domain", "")
        task = self._task_shown_as(domain, form.get("task", ""))
        options = _json_object(form, "options", "the variant's options")
        choice = Choice(domain, task, side, other, form.get("variant", ""), options)
        factory = await run_in_threadpool(self.plays.factory, choice)
        return self._redirect_to(await self.plays.open(factory, choice))

    def _task_shown_as(self, domain: str, text: str) -> str:
        """Return the id of the task that a form shows as `text`: without control characters."""
        names = {each.name for each in self.source.settings.catalogue.domains()}
        tasks = self.source.settings.domain(domain).tasks() if domain in names else {}
        return next((each for each in tasks if printable(each) == printable(text)), text)

    async def show(self, request: Request) -> Response:
        play = self.plays.get(request.path_params["id"])
        return await self._shown(play, await play.episode.record())

    async def say(self, request: Request) -> Response:
        return await self._step(request, lambda play, form: play.mine.say(form.get("text", "")))

    async def call(self, request: Request) -> Response:
        async def make(play: Play, form: Mapping[str, str]) -> None:
            tool = next((each for each in play.tools if each.name == form.get("tool")), None)
            if tool is None:
                raise UsageError(f"this side has no tool {form.get('tool')!r}")
            await play.mine.call(tool.name, **read_arguments(tool, form))

        return await self._step(request, make)

    async def grade(self, request: Request) -> Response:
        async def end(play: Play, _form: Mapping[str, str]) -> None:
            await hang_up(play)
            play.seconds = time.monotonic() - play.begun
            play.grade = await play.episode.grade()

        return await self._step(request, end)

    async def keep(self, request: Request) -> Response:
        async def keep(play: Play, _form: Mapping[str, str]) -> None:
            if play.grade is None:
                raise UsageError("grade the episode before you keep it")
            record = await play.episode.record()
            play.kept = play.kept or await run_in_threadpool(self.plays.keep, play, record, play.grade)

        return await self._step(request, keep)

    async def again(self, request: Request) -> Response:
        async def again(play: Play, _form: Mapping[str, str]) -> None:
            await play.episode.reset()
            play.grade, play.kept, play.begun = None, "", time.monotonic()

        return await self._step(request, again)

    async def task(self, request: Request) -> Response:
        """Show the task made from the form and the episode; with `write`, write it into the pack."""
        play, form = self.plays.get(request.path_params["id"]), await read_form(request)
        record = await play.episode.record()
        setting = play.episode.setting
        tools = {**setting.tools("user"), **setting.tools("agent")}
        initial = play.episode.task.initial_state
        state = initial.model_dump(mode="json", exclude_none=True) if initial else None
        made, written = "", ""
        try:
            content = task_content(record, tools, form, state)
            made = task_yaml(content)
            if form.get("write") and self.pack is not None:
                splits = setting.pack.manifest.tasks.splits
                file, split = await run_in_threadpool(write_task, self.pack, splits, content["id"], made)
                written = f"{file}, and its id into the split {split}"
                self.source.settings.forget()
        except UsageError as error:
            play.said = str(error)
        return await self._shown(play, record, form=form, made=made, written=written)

    async def _step(self, request: Request, step: Any) -> Response:
        play, form = self.plays.get(request.path_params["id"]), await read_form(request)
        try:
            await step(play, form)
        except Tau2GymError as error:
            play.said = str(error)
        return self._redirect_to(play)

    def _redirect_to(self, play: Play) -> Response:
        return RedirectResponse(self.links.page(f"play/{play.id}") + "#last", 303)

    async def _shown(
        self,
        play: Play,
        record: EpisodeRecord,
        form: Mapping[str, str] | None = None,
        made: str = "",
        written: str = "",
    ) -> Response:
        said, play.said = play.said, ""
        every = list(turns(record.messages, play.episode.latency.by_message()))
        calls = [call for turn in every for call in turn.calls]
        task = play.episode.task
        machine: TimeMachine = await run_in_threadpool(time_machine, play.episode.setting, task, record, calls)
        verdicts = list(play.grade.verdicts.items()) if play.grade else []
        basis = play.grade.basis if play.grade else []
        return self._page(
            "play.html",
            f"Play {play.choice.task_id}",
            play=play,
            record=record,
            grade=play.grade,
            verdicts=verdicts,
            mark=mark,
            opened=lambda criterion, verdict: criterion in basis and not verdict.met,
            aligned=align(task.gold(), calls, play.episode.setting) if play.grade else [],
            machine=machine,
            shows_gold=play.grade is not None,  # the gold would tell the player what to do
            task=task,
            turns=every,
            whole=lambda _number: "",
            tools=[(tool, fields(tool)) for tool in play.tools],
            policy=play.episode.policy if play.choice.side == "agent" else "",
            said=said,
            form=form or {},
            made=made,
            written=written,
            outcomes=OUTCOMES,
            pack=self.pack,
        )

    def _page(self, template: str, title: str, **values: Any) -> Response:
        return HTMLResponse(self.source.render(template, self.links, "play", title, **values))


def _json_object(form: Mapping[str, str], name: str, what: str) -> dict[str, Any]:
    """Return the JSON object in a field. Raises UsageError for anything else."""
    try:
        found = json.loads(form.get(name, "").strip() or "{}")
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{what} should be a JSON object: {error}") from error
    if not isinstance(found, dict):
        raise UsageError(f"{what} should be a JSON object, not {found!r}")
    return found
