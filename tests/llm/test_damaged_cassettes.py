"""Cassettes that cannot be read, or must not be overwritten."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tau2_core.cli.app import app
from tau2_core.errors import UsageError
from typer.testing import CliRunner

from tests.llm.test_cassettes import NAMED, Gym

EXCHANGE = {
    "episode": "create_plain#0",
    "role": "user",
    "number": 0,
    "request": {"same": 0, "messages": []},
    "completion": {"message": {"content": "Hello."}},
}
WHOLE = json.dumps(EXCHANGE).encode() + b"\n"


def changed(**fields: Any) -> bytes:
    return WHOLE + json.dumps({**EXCHANGE, **fields}).encode() + b"\n"


DAMAGED: dict[str, tuple[bytes | None, str]] = {
    "missing": (None, ": No such file"),
    "empty": (b"", ": the file is empty"),
    "half a last line": (WHOLE + WHOLE[:40], ":2: it is incomplete, as after a killed recording; remove the line"),
    "half a character": (WHOLE + '{"episode": "ä'.encode()[:-1], ":2: it is incomplete"),
    "half a line between": (WHOLE[:40] + b"\n" + WHOLE, ":1: not an exchange: "),
    "two lines in one": (WHOLE + WHOLE[:-1] + WHOLE, ":2: not an exchange: Extra data"),
    "prose": (b"hello\n", ":1: not an exchange: "),
    "a list": (b"[]\n", ":1: not an exchange: Input should be"),
    "a line with nothing": (WHOLE + b"\n" + WHOLE, ":2: not an exchange: "),
    "nested too deeply": (b"[" * 200_000 + b"\n", ":1: not an exchange: it is nested too deeply"),
    "UTF-16": (WHOLE.decode().encode("utf-16"), ":1: not an exchange: it is not UTF-8"),
    "lone surrogate": (
        changed(completion={"message": {"content": "\ud83d"}}),
        ":2: not an exchange: it contains a lone surrogate",
    ),
    "no answer": (changed(completion=None), ":2: not an exchange: it should have a completion or a failure"),
    "a field missing": (WHOLE + b'{"episode": "x"}\n', ":2: not an exchange: role: Field required"),
    "an unknown role": (changed(role="nobody"), ":2: not an exchange: role: "),
    "a number as text": (changed(number="0"), ":2: not an exchange: number: "),
    "a request of no changes": (changed(request={}), ":2: not an exchange: request.same: Field required"),
    "messages of no objects": (changed(request={"same": 0, "messages": ["x"]}), "request.messages.0: "),
    "a completion without a message": (changed(completion={}), "completion.message: Field required"),
    "two answers": (changed(failure={"kind": "server", "message": ""}), "it should have a completion or a failure"),
    "an unknown failure": (changed(completion=None, failure={"kind": "x", "message": ""}), "failure.kind: "),
}


def refused(option: str, file: Path, *more: str) -> str:
    """Return what the command says of a file, in one line and without a traceback."""
    done = CliRunner().invoke(app, ["run", "mock", *NAMED[:4], option, str(file), *more])
    assert isinstance(done.exception, UsageError), done.output
    return str(done.exception)


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_cassette_is_named_with_its_line(cassette: Path, damage: str) -> None:
    content, said = DAMAGED[damage]
    if content is not None:
        cassette.write_bytes(content)
    found = refused("--replay", cassette)
    assert found.startswith(f"--replay {cassette}")
    assert said in found
    if content and content.startswith(WHOLE) and not damage.startswith(("half a last", "half a char")):
        resuming = ("--resume", "--name", "r", "--out", str(cassette.parent))
        assert refused("--record", cassette, *resuming).startswith(f"--record {cassette}")
        assert cassette.read_bytes() == content


def test_a_path_that_is_not_a_file_is_refused(cassette: Path) -> None:
    cassette.mkdir()
    for option in ("--replay", "--record"):
        assert refused(option, cassette) == f"{option} {cassette}: Is a directory"
    assert refused("--record", cassette / "no" / "file") == f"--record {cassette}/no/file: No such file or directory"


def test_a_file_that_is_no_cassette_is_never_changed(cassette: Path) -> None:
    for content in (b"My notes.", b'{"my": "data"}', b"Notes\n" + WHOLE[:20]):
        cassette.write_bytes(content)
        found = refused("--record", cassette, "--resume", "--name", "r", "--out", str(cassette.parent))
        assert found.startswith(f"--record {cassette}")
        assert cassette.read_bytes() == content


def test_a_cassette_is_not_overwritten(gym: Gym, cassette: Path) -> None:
    cassette.write_text("{}\n")
    done = gym("run", "mock", *NAMED[:4], "--record", cassette)
    assert done.returncode == 2
    assert "already exists; remove it, or use --replay" in done.stderr
    assert gym("run", "mock", *NAMED[:4], "--record", cassette, "--replay", cassette).returncode == 2
