"""The read-only pages: all runs, one run, one episode; rendered from files on disk, for a server or an export."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tau2_core.episode.setting import Setting
from tau2_core.errors import Tau2GymError
from tau2_core.model.evaluation import Status, Verdict
from tau2_core.model.tasks import Task
from tau2_core.terminal_text import printable

from tau2_gym_workbench import rendering
from tau2_gym_workbench.alignment import align
from tau2_gym_workbench.customer_figures import CustomerFigures, customer_figures, judge_figures
from tau2_gym_workbench.episodes import WINDOW, StoredEpisode, read_episode, starts
from tau2_gym_workbench.figures import Details, RunFigures, details, figures
from tau2_gym_workbench.folder import WHOLE, FoundRun, Runs
from tau2_gym_workbench.index import RunIndex
from tau2_gym_workbench.labelling import labelling
from tau2_gym_workbench.links import Links
from tau2_gym_workbench.matrix import PAGE, Filter, Matrix, matrix, neighbours
from tau2_gym_workbench.panels import Panels
from tau2_gym_workbench.rerun_command import rerun_command
from tau2_gym_workbench.run_list import SORTS, RunRow, who
from tau2_gym_workbench.settings import Settings
from tau2_gym_workbench.time_machine import TimeMachine, time_machine

RUNS_PAGE = 100
DAMAGE_SHOWN = 5


@dataclass
class PageSource:
    """The source of all pages: the runs, the settings, and the panels of plugins."""

    runs: Runs
    settings: Settings
    panels: Panels
    authors: bool = False
    _figures: dict[Path, tuple[int, RunFigures]] = field(default_factory=dict)
    _details: dict[Path, tuple[int, Details]] = field(default_factory=dict)
    _customers: dict[Path, tuple[int, CustomerFigures | None]] = field(default_factory=dict)

    def figures(self, index: RunIndex) -> RunFigures:
        """Return a run's figures, recomputed only when its files have changed or are being written."""
        kept = self._figures.get(index.folder)
        if kept is None or kept[0] != index.version or kept[1].state == "running":
            kept = self._figures[index.folder] = (index.version, figures(index))
        return kept[1]

    def details(self, index: RunIndex) -> Details:
        """Return what a run page shows beside the figures, recomputed only when the run's files have changed."""
        kept = self._details.get(index.folder)
        if kept is None or kept[0] != index.version:
            kept = self._details[index.folder] = (index.version, details(index))
        return kept[1]

    def customer(self, index: RunIndex) -> CustomerFigures | None:
        """Return what a run page shows about the customer, recomputed only when the run's files have changed."""
        kept = self._customers.get(index.folder)
        if kept is None or kept[0] != index.version:
            kept = self._customers[index.folder] = (index.version, customer_figures(index))
        return kept[1]

    def render(self, template: str, links: Links, here: str, title: str, **values: Any) -> str:
        """Render a template."""
        given = {"links": links, "here": here, "title": title, "nav": self._nav(links), **values}
        return rendering.own().get_template(f"workbench/{template}").render(given)

    def _nav(self, links: Links) -> list[tuple[str, str, str]]:
        served = [("play", "Play", links.page("play"))] + ([("dev", "Author", links.page("dev"))] * self.authors)
        added = [(spec.name, spec.title, links.plugin_page(spec.name)) for spec in self.panels.pages()]
        return [("domains", "Domains", links.domains()), *([] if links.static else served), *added]

    def rows(self) -> list[RunRow]:
        """Return all runs, including those that cannot be read."""
        return [self._row(found) for found in self.runs.found()]

    def _row(self, found: FoundRun) -> RunRow:
        try:
            index = self.runs.index(found.key)
            return RunRow(found, self.figures(index), index.config, self.details(index).evaluators)
        except (Tau2GymError, OSError) as error:
            return RunRow(found, None, {}, damaged=str(error))

    def runs_page(
        self,
        links: Links,
        query: Mapping[str, str],
        only: Sequence[str] | None = None,
        compared: Sequence[tuple[str, str]] = (),
    ) -> str:
        """Render the list of all runs, or of the runs with the keys `only`, linking to the comparisons `compared`."""
        every = [row for row in self.rows() if only is None or row.key in only]
        text, domain, state = (query.get(name, "") for name in ("q", "domain", "state"))
        sort = query.get("sort") if query.get("sort") in SORTS else "newest"
        rows = [
            row
            for row in every
            if row.says(text.casefold().strip())
            and domain in ("", row.domain)
            and state in ("", row.figures.state if row.figures else "damaged")
        ]
        rows.sort(key=SORTS[sort or "newest"])
        page, pages = _page(query, len(rows), RUNS_PAGE)
        return self.render(
            "runs.html",
            links,
            "runs",
            "Runs",
            compared=compared,
            rows=rows if links.static else rows[(page - 1) * RUNS_PAGE : page * RUNS_PAGE],
            total=len(every),
            folder=self.runs.folder,
            domains=sorted({row.domain for row in every if row.domain}),
            sorts=list(SORTS),
            query={"q": text, "domain": domain, "state": state, "sort": sort},
            page=page,
            pages=1 if links.static else pages,
            address=lambda number: links.runs(q=text, domain=domain, state=state, sort=sort, page=number),
        )

    def run_page(self, links: Links, key: str, query: Mapping[str, str]) -> str:
        """Render a run. Raises UsageError, RunError."""
        index = self.runs.index(key)
        wanted = Filter.read(query)
        found = self.figures(index)
        shown = matrix(index, wanted, page=_number(query, "page"), length=None if links.static else PAGE)
        with index.reading() as connection:
            damage = [tuple(row) for row in connection.execute("SELECT file, line, why FROM damage")]
        more, customer = self.details(index), self.customer(index)
        every = [group for each in more.groups.values() for group in each]
        every += customer.detectors if customer else []
        chosen = next((f"{each.kind} {each.key}" for each in every if each.number == wanted.group), "")
        config = index.config
        return self.render(
            "run.html",
            links,
            "run",
            run_name(index, key),
            key=key,
            name=run_name(index, key),
            folder=index.folder,
            config=config,
            told=shortened_config(config),
            who={role: who(config, role) for role in ("agent", "user", "judge")},
            evaluators=more.evaluators or config["evaluators"],
            figures=found,
            pace=None,
            damage=_damage(index.folder, damage),
            groups=more.groups,
            customer=customer,
            judge=judge_figures(index.folder),
            chosen_group=chosen,
            tools=more.tools,
            spreads=more.spreads,
            wanted=wanted,
            matrix=shown,
            address=lambda number: links.run(key, **wanted.query(page=number)) + "#matrix",
            live=_events(links, key, shown) if found.state == "running" and not links.static else "",
        )

    def episode_page(
        self,
        links: Links,
        key: str,
        task: int,
        trial: int,
        start: int = 0,
        *,
        annotator: str = "",
        blind: bool = False,
    ) -> str:
        """Render an episode for an `annotator`; `blind` hides its verdict. Raises UsageError, RunError."""
        index = self.runs.index(key)
        episode = read_episode(index, key, task, trial)
        setting = self.settings.of(index.folder, index.config)
        machine = self._machine(episode, setting.setting)
        verdicts = list(episode.grade.verdicts.items()) if episode.grade else []
        basis = episode.grade.basis if episode.grade else []
        whole = episode.turns
        windows = starts(whole)
        start = max((each for each in windows if each <= start), default=0)
        at = windows.index(start) * WINDOW
        return self.render(
            "episode.html",
            links,
            "run",
            f"{printable(episode.task_id)[:100]} · {run_name(index, key)}",
            key=key,
            name=run_name(index, key),
            episode=episode,
            labelling=None if links.static else labelling(index, episode, annotator),
            blind=blind,
            around=neighbours(index, task, trial),
            verdicts=sorted(verdicts, key=lambda each: (each[1].met, each[0] not in basis)),
            mark=mark,
            opened=lambda criterion, verdict: mark(verdict) in ("unmet", "open") and criterion in basis,
            aligned=align(episode.task.gold() if episode.task else [], episode.calls, setting.setting),
            machine=machine,
            shows_gold=True,
            panels=self.panels.beside(episode.shown),
            task=episode.task,
            task_content=episode.task.model_dump(mode="json", exclude_none=True) if episode.task else None,
            policy=_policy(setting.setting, episode.task),
            missing=setting.missing,
            changed=setting.changed,
            turns=whole[at : at + WINDOW],
            windows=windows,
            start=start,
            whole=lambda number: links.message(key, task, trial, number),
            again=rerun_command(index, episode),
            show=f"tau2-gym show {shlex.quote(str(index.folder))} {shlex.quote(f'{episode.task_id}#{trial}')}",
        )

    def plugin_page(self, links: Links, name: str) -> str:
        """Render a plugin's page. Raises UsageError if there is none of that name."""
        panel = self.panels.page(name, self.runs.folder)
        return self.render("page.html", links, name, panel.title, panel=panel)

    def _machine(self, episode: StoredEpisode, setting: Any) -> TimeMachine | None:
        if setting is None or episode.task is None:
            return None
        return time_machine(setting, episode.task, episode.record, episode.calls)


def run_name(index: RunIndex, key: str) -> str:
    """Return a run's name: the path of its folder below the folder of runs."""
    return key.replace("~", "/") if key != WHOLE else index.folder.resolve().name


def mark(verdict: Verdict) -> str:
    """Return the mark for a verdict: met, unmet, open or vacuous."""
    if verdict.status is Status.VACUOUS:
        return "vacuous"
    if verdict.reward is None:
        return "open"
    return "met" if verdict.met else "unmet"


def shortened_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return run.json without its long lists of tasks."""
    return {name: value for name, value in config.items() if name != "tasks"} | {"tasks": len(config["tasks"])}


def _policy(setting: Setting | None, task: Task | None) -> str:
    try:
        if setting is None:
            return ""
        return setting.policy_text if task is None else setting.policy_for(task)
    except Tau2GymError as error:
        return f"The policy cannot be rendered: {error}"


def _events(links: Links, key: str, shown: Matrix) -> str:
    """Return the address of a page's events, with the numbers of the tasks whose cells it shows."""
    return links.page(f"runs/{key}/events", tasks=",".join(str(row.task) for row in shown.rows))


def _damage(folder: Path, rows: Sequence[tuple[Any, ...]]) -> list[str]:
    shown = [f"{folder / file}:{line}: {why}" for file, line, why in rows[:DAMAGE_SHOWN]]
    more = len(rows) - DAMAGE_SHOWN
    return [*shown, f"and {more} more damaged lines"] if more > 0 else shown


def _number(query: Mapping[str, str], name: str) -> int:
    text = query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 1


def _page(query: Mapping[str, str], items: int, length: int) -> tuple[int, int]:
    pages = max(1, -(-items // length))
    return min(_number(query, "page"), pages) or 1, pages
