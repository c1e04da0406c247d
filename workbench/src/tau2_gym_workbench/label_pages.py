"""The address to which an episode's page sends labels. They are stored beside the run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import quote, unquote

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from tau2_core.errors import UsageError
from tau2_core.records.label_questions import questions
from tau2_core.records.labels import Label, LabelFile
from tau2_core.validation_errors import first_wrong_part

from tau2_gym_workbench.episodes import read_episode
from tau2_gym_workbench.forms import read_form
from tau2_gym_workbench.links import Links
from tau2_gym_workbench.pages import PageSource

COOKIE = "tau2_gym_annotator"
LONGEST_NAME = 100
A_YEAR = 365 * 24 * 3600  # seconds


def annotator_of(request: Request) -> str:
    """Return the annotator's name from the browser's cookie, or "" if there is none."""
    return unquote(request.cookies.get(COOKIE, ""))[:LONGEST_NAME]


class LabelPages:
    """The route that accepts labels."""

    def __init__(self, source: PageSource, links: Links) -> None:
        self.source = source
        self.links = links

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes."""
        return [Route("/runs/{key}/{task:int}/{trial:int}/labels", self.add, methods=["POST"])]

    async def add(self, request: Request) -> Response:
        """Store a label, and go back to the episode."""
        form, place = await read_form(request), request.path_params
        annotator = form.get("annotator", "").strip()[:LONGEST_NAME]
        await run_in_threadpool(self._store, place["key"], place["task"], place["trial"], annotator, form)
        back = self.links.episode(place["key"], place["task"], place["trial"])
        answer = RedirectResponse(f"{back}{'?blind=1' if form.get('blind') else ''}#labels", 303)
        answer.set_cookie(COOKIE, quote(annotator), max_age=A_YEAR, httponly=True, samesite="strict")
        return answer

    def _store(self, key: str, task: int, trial: int, annotator: str, form: dict[str, str]) -> None:
        index = self.source.runs.index(key)
        episode = read_episode(index, key, task, trial)
        try:
            about, name, label = json.loads(form.get("answer", ""))
            made = Label(
                task_id=episode.task_id, trial=trial, about=about, name=name, label=label, annotator=annotator or None
            )
        except ValidationError as error:
            raise UsageError(f"this is not a label: {first_wrong_part(error)}") from error
        except (ValueError, TypeError, RecursionError) as error:
            raise UsageError("this is not a label; open the episode again and click an answer") from error
        asked = questions(episode.grade, episode.task) if episode.grade and episode.task else []
        if made.question not in asked:
            raise UsageError("this episode no longer has this question; open it again")
        LabelFile(index.folder).add(made)
