"""Export pages as files that open from disk, link to each other, and are readable without scripts."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from urllib.parse import unquote

from tau2_core.episode.setting import Setting
from tau2_core.errors import UsageError
from tau2_core.records.reader import is_run

from tau2_gym_workbench.application import STATIC, message_text, open_page_source
from tau2_gym_workbench.compare_pages import PAIRS, ComparePages
from tau2_gym_workbench.domain_pages import DomainPages
from tau2_gym_workbench.domains import domain_rows, table_page, tables
from tau2_gym_workbench.episodes import StoredEpisode, read_episode, starts
from tau2_gym_workbench.links import StaticLinks
from tau2_gym_workbench.pages import PageSource
from tau2_gym_workbench.settings import Settings
from tau2_gym_workbench.text import LONGEST_TEXT, formatted

PLACES = StaticLinks(root="")  # relative to the folder of the export, so that links and files agree
MOST_COMPARISONS = 100


def export_runs(runs: Sequence[Path], target: Path, settings: Settings) -> str:
    """Write the pages of runs, or of all runs in a folder, into a new folder; return a one-line summary.

    It also writes a comparison of every two runs of the same domain, and pages about the runs' domains. Raises
    UsageError if the folder is not empty or there is no run.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"--export {target}: the folder is not empty; choose a new one")
    folder, only = _common(runs)
    source = open_page_source(folder, settings)
    rows = [row for row in source.rows() if (only is None or row.found.folder.resolve() in only) and not row.damaged]
    if not rows:
        raise UsageError(f"{', '.join(map(str, runs))}: there is no readable run")
    keys = [row.key for row in rows]
    oldest_first = [(row.key, row.domain) for row in reversed(rows)]
    pairs = [(a, b) for (a, of_a), (b, of_b) in combinations(oldest_first, 2) if of_a == of_b][-MOST_COMPARISONS:]
    export = _Export(source, target)
    export.write(PLACES.runs(), source.runs_page, {}, keys, pairs)
    shutil.copytree(STATIC, target / "static")
    episodes = sum(export.run(key) for key in keys)
    for pair in pairs:
        export.comparison(pair)
    export.domains({row.domain: _tasks(source, keys, row.domain) for row in rows})
    for spec in source.panels.pages():
        export.write(PLACES.plugin_page(spec.name), source.plugin_page, spec.name)
    count = f"{len(keys)} run{'s' * (len(keys) != 1)}, {episodes} episode{'s' * (episodes != 1)}"
    return f"{count}: open {target / 'index.html'}"


def _common(runs: Sequence[Path]) -> tuple[Path, set[Path] | None]:
    """Return the folder that holds the runs, and which of them are exported; None means all."""
    if len(runs) == 1 and not is_run(runs[0]):
        return runs[0], None
    for each in runs:
        if not is_run(each):
            raise UsageError(f"{each} holds no run; give folders that `tau2-gym run` has written")
    resolved = [each.resolve() for each in runs]
    parents = {each.parent for each in resolved}
    if len(parents) > 1:
        raise UsageError("--export: the runs must be in one folder")
    return parents.pop(), set(resolved)


def _tasks(source: PageSource, keys: Sequence[str], domain: str) -> set[str]:
    """Return the tasks of a domain that appear in the runs."""
    configs = [source.runs.index(key).config for key in keys]
    return {task for config in configs if config["domain"] == domain for task in config["tasks"]}


class _Export:
    """The folder that the pages are written to."""

    def __init__(self, source: PageSource, target: Path) -> None:
        self.source = source
        self.target = target

    def write(self, place: str, make: Callable[..., str], *about: object, **more: object) -> None:
        """Write the page `make(links, *about, **more)` to the file `place`; the links are relative to that file."""
        text = make(StaticLinks(root="../" * place.count("/")), *about, **more)
        self.write_text(place, text)

    def write_text(self, place: str, text: str) -> None:
        file = self.target / unquote(place)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", errors="backslashreplace")

    def run(self, key: str) -> int:
        """Write a run with its episodes; return the number of episodes."""
        self.write(PLACES.run(key), self.source.run_page, key, {})
        index = self.source.runs.index(key)
        with index.reading() as connection:
            slots = [tuple(row) for row in connection.execute("SELECT task, trial FROM episodes ORDER BY task, trial")]
        for task, trial in slots:
            episode = read_episode(index, key, task, trial)
            for start in starts(episode.turns):
                place = PLACES.episode(key, task, trial, start)
                self.write(place, self.source.episode_page, key, task, trial, start)
            self._long_messages(key, episode)
        return len(slots)

    def _long_messages(self, key: str, episode: StoredEpisode) -> None:
        """Write the messages that are too long for a page to files of their own."""
        for number, message in enumerate(episode.record.messages):
            text = message_text(message)
            if len(text) > LONGEST_TEXT or len(formatted(message.content or "")) > LONGEST_TEXT:
                self.write_text(PLACES.message(key, episode.number, episode.trial, number), text)

    def comparison(self, keys: tuple[str, str]) -> None:
        """Write the comparison of two runs, and the pairs of episodes that it links to."""
        pages = ComparePages(self.source)
        self.write(PLACES.compare(*keys), pages.runs, keys)
        for pair in pages.compared(keys).pairs[:PAIRS]:
            for trial, *_cells in pair.cells:
                place = PLACES.side_by_side(*keys, pair.a, pair.b, trial)
                self.write(place, pages.episodes, keys, pair.a, pair.b, trial)

    def domains(self, played: Mapping[str, Collection[str]]) -> None:
        """Write the list of domains, and the pages of each domain with the given tasks."""
        pages, settings = DomainPages(self.source), self.source.settings
        self.write(PLACES.domains(), pages.list, played)
        for row in domain_rows(settings):
            if row.name in played and not row.problem:
                self._domain(pages, settings.domain(row.name), played[row.name])

    def _domain(self, pages: DomainPages, setting: Setting, tasks: Collection[str]) -> None:
        name = setting.domain
        self.write(PLACES.domain(name), pages.domain, name, only=tasks)
        self.write(PLACES.check(name), pages.check, name)
        self.write(PLACES.audit(name), pages.audit, name)
        for task_id in setting.tasks():
            if task_id in tasks:
                self.write(PLACES.task(name, task_id), pages.task, name, task_id)
        for table in tables(setting):
            for page in range(1, table_page(setting, table.role, table.name).pages + 1):
                place = PLACES.table(name, table.role, table.name, page=page)
                self.write(place, pages.table, name, table.role, table.name, page=page)
