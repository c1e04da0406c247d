"""Calibration sets: what is read, and what is refused with file and line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tau2_core.adapters.calibration_set import read_calibration_set
from tau2_core.errors import DatasetError

MESSAGES: list[dict[str, Any]] = [
    {"role": "assistant", "content": "Hello, what can I do for you?"},
    {"role": "user", "content": "List my tasks, please."},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "1", "type": "function", "function": {"name": "get_users", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "1", "content": "[]"},
    {"role": "assistant", "content": "You have none."},
]


def case(**changed: Any) -> dict[str, Any]:
    plain = {"id": "c1", "domain": "mock", "messages": MESSAGES, "assertion": "The agent greets the customer."}
    return {**plain, "label": True, "kind": "true", **changed}


def write(file: Path, *lines: Any) -> Path:
    file.write_text("".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in lines))
    return file


def test_a_set_is_read_from_several_files_in_their_order(tmp_path: Path) -> None:
    first = write(
        tmp_path / "a.jsonl", case(task="create_plain"), "", case(id="c2", assertion="It rains.", label=False)
    )
    second = write(tmp_path / "b.jsonl", case(id="c3", domain="retail"))
    found = read_calibration_set([first, second])
    assert [(each.id, each.label) for each in found.cases] == [("c1", True), ("c2", False), ("c3", True)]
    assert found.places["c2"] == f"{first}:3"
    assert [message.role for message in found.cases[0].conversation][-2:] == ["tool", "assistant"]
    assert found.cases[0].conversation_key == found.cases[1].conversation_key != found.cases[2].conversation_key
    assert found.digest == read_calibration_set([first, second]).digest != read_calibration_set([first]).digest


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "not JSON"),
        ("[]", "not a calibration case"),
        (case(id="c2", label="yes"), "label"),
        (case(id="c2", kind="invented"), "kind"),
        (case(id="c2", assertion="  "), "the assertion is empty"),
        (case(id="c2", messages=[]), "messages"),
        (case(id="c2", messages=MESSAGES[:3]), "is not followed by its result"),
        (case(id="c2", messages=[{"role": "robot", "content": "?"}]), "role"),
        (case(id="c2", lable=True), "lable"),
        (case(assertion="It rains."), "the id 'c1' is already used in"),
        (case(id="c2", label=False), "of 'c1' ({file}:1), but another label"),
        (case(id="c2", assertion="The agent  greets the customer."), "and would count twice"),
    ],
)
def test_a_bad_line_is_refused_with_its_place(tmp_path: Path, line: Any, told: str) -> None:
    file = write(tmp_path / "set.jsonl", case(), line)
    with pytest.raises(DatasetError) as refused:
        read_calibration_set([file])
    assert str(refused.value).startswith(f"{file}:2: ")
    assert told.replace("{file}", str(file)) in str(refused.value)


def test_a_file_without_cases_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="contains no case"):
        read_calibration_set([write(tmp_path / "empty.jsonl")])
    with pytest.raises(DatasetError, match="cannot be read"):
        read_calibration_set([tmp_path / "none.jsonl"])
