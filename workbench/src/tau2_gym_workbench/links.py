"""Links to pages: URLs of the server, or relative links between the files of an export."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import quote, urlencode


@dataclass(frozen=True, slots=True)
class Links:
    """URLs of the server, below `root`."""

    root: str = "/"
    static: bool = False

    def asset(self, name: str) -> str:
        """Return the link to a style sheet or a script."""
        return f"{self.root}static/{name}"

    def page(self, path: str, **query: object) -> str:
        """Return the link to any other page of the server."""
        return f"{self.root}{quote(path)}{_query(query)}"

    def runs(self, **query: object) -> str:
        """Return the link to the list of runs."""
        return f"{self.root}{_query(query)}"

    def run(self, key: str, **query: object) -> str:
        """Return the link to a run."""
        return f"{self.root}runs/{quote(key)}{_query(query)}"

    def episode(self, key: str, task: int, trial: int, start: int = 0) -> str:
        """Return the link to an episode, by the number of its task; `start` is the first message shown."""
        return f"{self.root}runs/{quote(key)}/{task}/{trial}{_query({'from': start or None})}"

    def message(self, key: str, task: int, trial: int, number: int) -> str:
        """Return the link to the whole text of a message."""
        return f"{self.root}runs/{quote(key)}/{task}/{trial}/messages/{number}"

    def compare(self, a: str, b: str) -> str:
        """Return the link to the comparison of two runs."""
        return self.page("compare", run=[a, b])

    def side_by_side(self, a: str, b: str, task: int, other: int, trial: int) -> str:
        """Return the link to the two episodes of one slot; the task has the number `other` in run B."""
        return self.page("compare/episodes", a=a, b=b, task=task, other=other, trial=trial)

    def domains(self) -> str:
        """Return the link to the list of domains."""
        return self.page("domains")

    def domain(self, name: str, **query: object) -> str:
        """Return the link to a domain."""
        return self.page(f"domains/{name}", **query)

    def task(self, domain: str, task_id: str) -> str:
        """Return the link to a task of a domain."""
        return self.page(f"domains/{domain}/tasks", id=task_id)

    def table(self, domain: str, role: str, table: str, **query: object) -> str:
        """Return the link to a page of a table in a side's database."""
        return self.page(f"domains/{domain}/tables/{role}/{table}", **query)

    def check(self, domain: str) -> str:
        """Return the link to the report of `check` for a domain."""
        return self.page(f"domains/{domain}/check")

    def audit(self, domain: str) -> str:
        """Return the link to the audit of a domain's tasks."""
        return self.page(f"domains/{domain}/audit")

    def plugin_page(self, name: str) -> str:
        """Return the link to a plugin's page."""
        return self.page(f"pages/{name}")


@dataclass(frozen=True, slots=True)
class StaticLinks(Links):
    """Relative links from a page of an export, whose top folder is `root`. Pages that need the server have none."""

    static: bool = True

    def page(self, path: str, **_query: object) -> str:
        return f"{self.root}{quote(path)}.html"

    def runs(self, **_query: object) -> str:
        return self.page("index")

    def run(self, key: str, **_query: object) -> str:
        return self.page(f"runs/{key}/index")

    def episode(self, key: str, task: int, trial: int, start: int = 0) -> str:
        return self.page(f"runs/{key}/episode-{task}-{trial}{f'-from-{start}' if start else ''}")

    def message(self, key: str, task: int, trial: int, number: int) -> str:
        return f"{self.root}{quote(f'runs/{key}')}/episode-{task}-{trial}-message-{number}.txt"

    def compare(self, a: str, b: str) -> str:
        return self.page(f"compare/{a}/{b}/index")

    def side_by_side(self, a: str, b: str, task: int, other: int, trial: int) -> str:
        return self.page(f"compare/{a}/{b}/{task}-{other}-{trial}")

    def domains(self) -> str:
        return self.page("domains/index")

    def domain(self, name: str, **_query: object) -> str:
        return self.page(f"domains/{name}/index")

    def task(self, domain: str, task_id: str) -> str:
        digest = sha256(task_id.encode("utf-8", "backslashreplace")).hexdigest()  # an id may contain any character
        return self.page(f"domains/{domain}/task-{digest[:20]}")

    def table(self, domain: str, role: str, table: str, **query: object) -> str:
        return self.page(f"domains/{domain}/table-{role}-{table}-{query.get('page', 1)}")


def _query(values: dict[str, object]) -> str:
    given = {name: value for name, value in values.items() if value not in (None, "", [])}
    return f"?{urlencode(given, doseq=True)}" if given else ""
