"""The pages of domains: the list, a domain, a table, a task, and the reports of `check` and the audit."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route
from tau2_core.errors import UsageError
from tau2_core.name_suggestions import did_you_mean
from tau2_core.runs.audit import BASELINES, audit
from tau2_core.runs.check import check_domain

from tau2_gym_workbench import domains
from tau2_gym_workbench.links import Links
from tau2_gym_workbench.pages import PageSource

TASKS = 100  # per page


class DomainPages:
    """Render the pages about installed domains, for a server or an export."""

    def __init__(self, source: PageSource) -> None:
        self.source = source

    def list(self, links: Links, only: Collection[str] | None = None) -> str:
        """Render the list of all domains, or of the given ones."""
        rows = [row for row in domains.domain_rows(self.source.settings) if only is None or row.name in only]
        return self._page(links, "domains.html", "Domains", rows=rows)

    def domain(
        self, links: Links, name: str, *, text: str = "", page: int = 1, only: Collection[str] | None = None
    ) -> str:
        """Render a domain, with a page of its tasks that contain `text`, or with all tasks in `only`."""
        settings = self.source.settings
        setting = settings.domain(name)
        folded = text.casefold()
        tasks = setting.tasks()  # A task is built on access: only those of the page, or all if they are searched.
        wanted = [
            task_id
            for task_id in (tasks if only is None else [each for each in tasks if each in only])
            if folded in task_id.casefold() or folded in tasks[task_id].user_scenario.text().casefold()
        ]
        pages = 1 if only is not None else max(1, -(-len(wanted) // TASKS))
        page = min(page, pages)
        shown = wanted if only is not None else wanted[(page - 1) * TASKS : page * TASKS]
        return self._page(
            links,
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
            tasks=[tasks[task_id] for task_id in shown],
            total=len(tasks),
            page=page,
            pages=pages,
            address=lambda number: links.domain(name, q=text, page=number) + "#tasks",
        )

    def task(self, links: Links, name: str, task_id: str) -> str:
        """Render a task. Raises UsageError if the domain has none with that id."""
        setting = self.source.settings.domain(name)
        tasks = setting.tasks()
        if task_id not in tasks:
            raise UsageError(f"{name} has no task {task_id!r} ({did_you_mean(task_id, tasks)})")
        task = tasks[task_id]
        return self._page(
            links,
            "domain_task.html",
            task_id,
            name=name,
            task=task,
            splits=[split for split, ids in setting.splits().items() if task_id in ids],
            content=task.model_dump(mode="json", exclude_none=True),
        )

    def table(self, links: Links, name: str, role: str, table: str, *, text: str = "", page: int = 1) -> str:
        """Render a page of a table. Raises UsageError if there is no such table."""
        found = domains.table_page(self.source.settings.domain(name), role, table, text=text, page=page)
        return self._page(
            links,
            "domain_table.html",
            table,
            name=name,
            table=table,
            found=found,
            text=text,
            address=lambda number: links.table(name, role, table, q=text, page=number),
        )

    def check(self, links: Links, name: str) -> str:
        """Render the report of `check`, which plays all tasks."""
        report = check_domain(self.source.settings.catalogue, name)
        problems = [("problem", each) for each in report.problems] + [("warning", each) for each in report.warnings]
        return self._page(links, "domain_check.html", "Check", name=name, report=report, problems=problems, audit=None)

    def audit(self, links: Links, name: str) -> str:
        """Render the report of the audit, which plays all tasks."""
        setting = self.source.settings.domain(name)
        found = asyncio.run(audit(setting, self.source.settings.catalogue))
        return self._page(links, "domain_check.html", "Audit", name=name, report=None, audit=found, baselines=BASELINES)

    def _page(self, links: Links, template: str, title: str, **values: Any) -> str:
        return self.source.render(template, links, "domains", title, **values)


class DomainRoutes:
    """The server's routes to these pages."""

    def __init__(self, pages: DomainPages, links: Links) -> None:
        self.pages = pages
        self.links = links

    def routes(self) -> list[BaseRoute]:
        """Return the routes."""
        return [
            Route("/domains", self.list),
            Route("/domains/{name}", self.domain),
            Route("/domains/{name}/tasks", self.task),
            Route("/domains/{name}/tables/{role}/{table:path}", self.table),
            Route("/domains/{name}/check", self.check),
            Route("/domains/{name}/audit", self.audit),
        ]

    def list(self, _request: Request) -> Response:
        return HTMLResponse(self.pages.list(self.links))

    def domain(self, request: Request) -> Response:
        name = request.path_params["name"]
        return HTMLResponse(self.pages.domain(self.links, name, text=_text(request), page=_number(request)))

    def task(self, request: Request) -> Response:
        return HTMLResponse(
            self.pages.task(self.links, request.path_params["name"], request.query_params.get("id", ""))
        )

    def table(self, request: Request) -> Response:
        place = request.path_params
        page = self.pages.table(
            self.links, place["name"], place["role"], place["table"], text=_text(request), page=_number(request)
        )
        return HTMLResponse(page)

    def check(self, request: Request) -> Response:
        return HTMLResponse(self.pages.check(self.links, request.path_params["name"]))

    def audit(self, request: Request) -> Response:
        return HTMLResponse(self.pages.audit(self.links, request.path_params["name"]))


def _text(request: Request) -> str:
    return request.query_params.get("q", "").strip()


def _number(request: Request) -> int:
    text = request.query_params.get("page", "")
    return int(text) if text.isascii() and text.isdigit() and 0 < len(text) < 9 else 1
