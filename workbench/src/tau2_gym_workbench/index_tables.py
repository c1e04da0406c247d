"""The tables of a run's index in SQLite, and writing rows into them."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE files (name TEXT PRIMARY KEY, inode INT, size INT, mtime INT, done INT, lines INT, tail TEXT)
    WITHOUT ROWID;
CREATE TABLE tasks (task INT PRIMARY KEY, id TEXT UNIQUE, begin INT, end INT);
CREATE TABLE episodes (task INT, trial INT, begin INT, end INT, seed INT, termination TEXT, error TEXT, messages INT,
    turns INT, steps INT, tool_calls INT, tool_errors INT, cost REAL, prompt_tokens INT, completion_tokens INT,
    persona TEXT, PRIMARY KEY (task, trial)) WITHOUT ROWID;
CREATE TABLE grades (task INT, trial INT, begin INT, end INT, evaluators TEXT, reward REAL, outcome TEXT, solved INT,
    states TEXT, basis TEXT, reason TEXT, customer_fault TEXT, PRIMARY KEY (task, trial)) WITHOUT ROWID;
CREATE TABLE judgements (task INT, trial INT, begin INT, end INT, model TEXT, failed INT, cost REAL, tokens INT,
    PRIMARY KEY (task, trial)) WITHOUT ROWID;
CREATE TABLE timings (task INT, trial INT, begin INT, end INT, seconds REAL, agent REAL, customer REAL,
    PRIMARY KEY (task, trial)) WITHOUT ROWID;
CREATE TABLE groups (number INTEGER PRIMARY KEY, kind TEXT, key TEXT, UNIQUE (kind, key));
CREATE TABLE findings (task INT, trial INT, number INT, PRIMARY KEY (task, trial, number)) WITHOUT ROWID;
CREATE TABLE calls (task INT, trial INT, side TEXT, name TEXT, made INT, failed INT,
    PRIMARY KEY (task, trial, side, name)) WITHOUT ROWID;
CREATE TABLE damage (file TEXT, line INT, why TEXT, PRIMARY KEY (file, line)) WITHOUT ROWID;
"""
FORMAT = hashlib.sha256(SCHEMA.encode()).hexdigest()  # an index with another layout is rebuilt


KEY = ("task", "trial")
Place = tuple[int, ...]  # the key of a row: the number of a task, and the trial unless the row is about the task


@dataclass(frozen=True, slots=True)
class Entry:
    """What the index keeps of one line: a row by column, and the rows of its details, both without their place."""

    row: dict[str, Any]
    details: Collection[tuple[Any, ...]] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """The tables for a file's lines: `rows` has one row for each line, `details` (if any) several."""

    rows: str
    details: str = ""

    @property
    def tables(self) -> list[str]:
        return [self.rows, self.details] if self.details else [self.rows]

    def put(self, connection: sqlite3.Connection, entries: Mapping[Place, Entry]) -> None:
        """Write entries, replacing those at the same places."""
        places = sorted(entries)
        put(connection, self.rows, [dict(zip(KEY, place, strict=False)) | entries[place].row for place in places])
        if self.details:
            connection.executemany(f"DELETE FROM {self.details} WHERE task = ? AND trial = ?", places)  # noqa: S608
            _insert(connection, self.details, [place + each for place in places for each in entries[place].details])


def put(connection: sqlite3.Connection, table: str, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows, which have the same columns, into a table, replacing those with the same key."""
    if rows:
        _insert(connection, f"{table} ({', '.join(rows[0])})", [tuple(row.values()) for row in rows])


def _insert(connection: sqlite3.Connection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    if not rows:
        return
    statement = f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(rows[0]))})"  # noqa: S608 - our names
    try:
        connection.executemany(statement, rows)
    except (UnicodeEncodeError, OverflowError):  # rare, and finding out beforehand costs as much as writing
        connection.executemany(statement, [tuple(map(storable, row)) for row in rows])


class Groups:
    """The numbers of groups of episodes that failed in the same way."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        rows = connection.execute("SELECT kind, key, number FROM groups")
        self._numbers: dict[tuple[str, str], int] = {(kind, key): number for kind, key, number in rows}

    def number(self, kind: str, key: str) -> int:
        """Return the number of a group, which is entered if it is new."""
        found = self._numbers.get((kind, key))
        if found is None:
            group = (kind, storable(key))
            self._connection.execute("INSERT OR IGNORE INTO groups (kind, key) VALUES (?, ?)", group)
            query = "SELECT number FROM groups WHERE kind = ? AND key = ?"
            found = self._numbers[kind, key] = int(self._connection.execute(query, group).fetchone()[0])
        return found


def storable(value: Any) -> Any:
    """Return a value that SQLite can hold: without lone surrogates, and with integers beyond 64 bits as text."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    return value


def described(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the index's metadata: its format and the state of the run's configuration; {} if it is new."""
    try:
        return dict(connection.execute("SELECT key, value FROM meta").fetchall())
    except sqlite3.OperationalError:
        return {}


def recreate_tables(connection: sqlite3.Connection, description: dict[str, str]) -> None:
    """Replace the contents of the file with empty tables."""
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (name,) in names:
        connection.execute(f'DROP TABLE "{name}"')
    for statement in SCHEMA.split(";"):
        connection.execute(statement)
    connection.executemany("INSERT INTO meta VALUES (?, ?)", list(description.items()))
