"""The pages of domains: the list, one domain, a table, a task, and what `check` and the audit say."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route
from tau2_core.errors import UsageError
from tau2_core.names import did_you_mean
from tau2_core.runs.audit import BASELINES, audit
from tau2_core.runs.check import check_domain

from tau2_gym_workbench import domains
from tau2_gym_workbench.links import Links
from tau2_gym_workbench.pages import Reading

TASKS = 100  # on a page


class DomainPages:
    """What is installed, and how it reads."""

    def __init__(self, reading: Reading, links: Links) -> None:
        self.reading = reading
        self.links = links

    def routes(self) -> list[BaseRoute]:
        """Return the addresses."""
        return [
            Route("/domains", self.list),
            Route("/domains/{name}", self.domain),
            Route("/domains/{name}/tasks", self.task),
            Route("/domains/{name}/tables/{role}/{table:path}", self.table),
            Route("/domains/{name}/check", self.check),
            Route("/domains/{name}/audit", self.audit),
        ]

    def list(self, _request: Request) -> Response:
        return self._page("domains.html", "Domains", rows=domains.domain_rows(self.reading.settings))

    def domain(self, request: Request) -> Response:
        name = request.path_params["name"]
        settings = self.reading.settings
        setting = settings.domain(name)
        text = request.query_params.get("q", "").strip()
        folded = text.casefold()
        tasks = setting.tasks()  # made when they are looked at, so only those of the page are, unless all are searched
        wanted = [
            task_id
            for task_id in tasks
            if folded in task_id.casefold() or folded in tasks[task_id].user_scenario.text().casefold()
        ]
        pages = max(1, -(-len(wanted) // TASKS))
        page = min(_number(request), pages)
        return self._page(
            "domain.html",
            name,
            name=name,
            origin=settings.catalogue.origin("domain", name),
            dataset=setting.dataset.root if setting.dataset else None,
            policies=domains.policies(settings, setting),
            tables=domains.tables(setting),
            sides=[("The agent’s tools", setting.tools("agent")), ("The customer’s tools", setting.tools("user"))],
            splits=setting.splits(),
            families=domains.family_files(setting),
            text=text,
            tasks=[tasks[task_id] for task_id in wanted[(page - 1) * TASKS : page * TASKS]],
            page=page,
            pages=pages,
            address=lambda number: self.links.page(f"domains/{name}", q=text, page=number) + "#tasks",
        )

    def task(self, request: Request) -> Response:
        name, task_id = request.path_params["name"], request.query_params.get("id", "")
        setting = self.reading.settings.domain(name)
        tasks = setting.tasks()
        if task_id not in tasks:
            raise UsageError(f"{name} has no task {task_id!r} ({did_you_mean(task_id, tasks)})")
        task = tasks[task_id]
        return self._page(
            "domain_task.html",
            task_id,
            name=name,
            task=task,
            splits=[split for split, ids in setting.splits().items() if task_id in ids],
            content=task.model_dump(mode="json", exclude_none=True),
        )

    def table(self, request: Request) -> Response:
        place, text = request.path_params, request.query_params.get("q", "").strip()
        setting = self.reading.settings.domain(place["name"])
        found = domains.table_page(setting, place["role"], place["table"], text=text, page=_number(request))
        path = f"domains/{place['name']}/tables/{place['role']}/{place['table']}"
        return self._page(
            "domain_table.html",
            place["table"],
            name=place["name"],
            table=place["table"],
            found=found,
            text=text,
            address=lambda number: self.links.page(path, q=text, page=number),
        )

    def check(self, request: Request) -> Response:
        name = request.path_params["name"]
        report = check_domain(self.reading.settings.catalogue, name)
        problems = [("problem", each) for each in report.problems] + [("warning", each) for each in report.warnings]
        return self._page("domain_check.html", "Check", name=name, report=report, problems=problems, audit=None)

    def audit(self, request: Request) -> Response:
        name = request.path_params["name"]
        setting = self.reading.settings.domain(name)
        found = asyncio.run(audit(setting, self.reading.settings.catalogue))
        return self._page("domain_check.html", "Audit", name=name, report=None, audit=found, baselines=BASELINES)

    def _page(self, template: str, title: str, **values: Any) -> Response:
        return HTMLResponse(self.reading.render(template, self.links, "domains", title, **values))


def _number(request: Request) -> int:
    text = request.query_params.get("page", "")
    return int(text) if text.isascii() and text.isdigit() and 0 < len(text) < 9 else 1
