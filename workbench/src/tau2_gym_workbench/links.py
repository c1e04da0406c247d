"""Where pages are: addresses of the server, or files of an export, whose links are relative."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlencode


@dataclass(frozen=True, slots=True)
class Links:
    """The addresses of a server. `root` is where it begins."""

    root: str = "/"
    static: bool = False

    def asset(self, name: str) -> str:
        """Return where a style sheet or a script is."""
        return f"{self.root}static/{name}"

    def page(self, path: str, **query: object) -> str:
        """Return the address of any other page of the server."""
        return f"{self.root}{quote(path)}{_query(query)}"

    def runs(self, **query: object) -> str:
        """Return the page of all runs."""
        return f"{self.root}{_query(query)}"

    def run(self, key: str, **query: object) -> str:
        """Return the page of one run."""
        return f"{self.root}runs/{quote(key)}{_query(query)}"

    def episode(self, key: str, task: int, trial: int, start: int = 0) -> str:
        """Return the page of one episode, by the number of its task; `start` is the first message shown."""
        return f"{self.root}runs/{quote(key)}/{task}/{trial}{_query({'from': start or None})}"

    def message(self, key: str, task: int, trial: int, number: int) -> str:
        """Return the whole text of one message."""
        return f"{self.root}runs/{quote(key)}/{task}/{trial}/messages/{number}"


@dataclass(frozen=True, slots=True)
class StaticLinks(Links):
    """The files of an export, seen from a page whose way up is `root`."""

    static: bool = True

    def runs(self, **_query: object) -> str:
        return f"{self.root}index.html"

    def run(self, key: str, **_query: object) -> str:
        return f"{self.root}runs/{quote(key)}/index.html"

    def episode(self, key: str, task: int, trial: int, start: int = 0) -> str:
        return f"{self.root}runs/{quote(key)}/{episode_file(task, trial, start)}"

    def message(self, key: str, task: int, trial: int, number: int) -> str:
        return f"{self.root}runs/{quote(key)}/{message_file(task, trial, number)}"


def episode_file(task: int, trial: int, start: int = 0) -> str:
    """Return the name of an exported episode's file."""
    return f"episode-{task}-{trial}{f'-from-{start}' if start else ''}.html"


def message_file(task: int, trial: int, number: int) -> str:
    """Return the name of an exported message's file."""
    return f"episode-{task}-{trial}-message-{number}.txt"


def _query(values: dict[str, object]) -> str:
    given = {name.rstrip("_"): value for name, value in values.items() if value not in (None, "", [])}
    return f"?{urlencode(given, doseq=True)}" if given else ""
