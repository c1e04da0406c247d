"""The tables of a run's index in SQLite, and writing rows into them."""

from __future__ import annotations

import hashlib
import sqlite3
from typing import Any

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE files (name TEXT PRIMARY KEY, inode INT, size INT, mtime INT, done INT, lines INT, tail TEXT)
    WITHOUT ROWID;
CREATE TABLE tasks (task INT PRIMARY KEY, id TEXT UNIQUE, begin INT, end INT);
CREATE TABLE episodes (task INT, trial INT, begin INT, end INT, seed INT, termination TEXT, error TEXT, messages INT,
    turns INT, steps INT, tool_calls INT, tool_errors INT, cost REAL, prompt_tokens INT, completion_tokens INT,
    PRIMARY KEY (task, trial)) WITHOUT ROWID;
CREATE TABLE grades (task INT, trial INT, begin INT, end INT, evaluators TEXT, reward REAL, outcome TEXT, solved INT,
    states TEXT, basis TEXT, reason TEXT, PRIMARY KEY (task, trial)) WITHOUT ROWID;
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


def put(connection: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    """Write a row into a table, replacing one with the same key."""
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    values = [storable(value) for value in row.values()]
    connection.execute(f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({marks})", values)  # noqa: S608 - our names


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


def make_anew(connection: sqlite3.Connection, description: dict[str, str]) -> None:
    """Replace the contents of the file with empty tables."""
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (name,) in names:
        connection.execute(f'DROP TABLE "{name}"')
    for statement in SCHEMA.split(";"):
        connection.execute(statement)
    connection.executemany("INSERT INTO meta VALUES (?, ?)", list(description.items()))
