"""Hostile content is shown as text, and errors are shown as clear pages."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.workbench.conftest import assert_accessible, follow, serving

pytestmark = pytest.mark.domain("mock")
Get = Callable[..., httpx.Response]
EVIL = "<img src=x onerror=alert(1)>\"'</script>\x1b[31mred\u202etxt\x00 &amp; {{ 7*7 }}"


@pytest.fixture(scope="module")
def spoilt(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs with hostile content, many calls, damage, a missing pack, and a newer format."""
    folder = tmp_path_factory.mktemp("spoilt")
    source = runs / "random"

    def copy(name: str) -> Path:
        return Path(shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("*.sqlite")))

    hostile = copy("hostile")
    task = json.loads((hostile / "run.json").read_text())["tasks"][0]
    for name in ("run.json", "tasks.jsonl", "episodes.jsonl", "grades.jsonl", "timings.jsonl"):
        text = (hostile / name).read_text().replace(json.dumps(task), json.dumps(EVIL))
        (hostile / name).write_text(text)
    change(hostile / "episodes.jsonl", evil_episode)
    change(hostile / "grades.jsonl", evil_grade)
    first, *others = (copy("many") / "episodes.jsonl").read_text().splitlines(keepends=True)
    record = json.loads(first)
    long = json.dumps(record | {"messages": many_calls(record["messages"])})
    (folder / "many" / "episodes.jsonl").write_text("".join([f"{long}\n", *others]))
    (copy("damaged") / "run.json").write_text("{")
    newer = copy("newer") / "run.json"
    newer.write_text(json.dumps(json.loads(newer.read_text()) | {"format": 2}))
    gone = copy("gone") / "run.json"
    gone.write_text(json.dumps(json.loads(gone.read_text()) | {"domain": "uninstalled"}))
    pipe = copy("pipe") / "timings.jsonl"
    pipe.unlink()
    os.mkfifo(pipe)
    change(copy("figures") / "episodes.jsonl", lambda record: record | {"tool_calls": -1})
    (folder / "loop").symlink_to(folder)
    return folder


def change(file: Path, how: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    lines = [json.dumps(how(json.loads(line))) for line in file.read_text().splitlines()]
    file.write_text("".join(f"{line}\n" for line in lines))


def evil_episode(record: dict[str, Any]) -> dict[str, Any]:
    call = {"id": EVIL, "name": EVIL, "arguments": {EVIL: [EVIL, 10**30, None]}, "requestor": "assistant"}
    more = [
        {"role": "user", "content": EVIL},
        {"role": "assistant", "content": "x" * 1_000_000},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "id": EVIL, "content": EVIL, "requestor": "assistant", "error": True},
        {"role": "user", "content": "long" * 300},
    ]
    return record | {"messages": record["messages"] + more, "error": EVIL}


def evil_grade(grade: dict[str, Any]) -> dict[str, Any]:
    evidence = [{"path": f"tasks.{EVIL}.status", "old": EVIL, "new": {EVIL: EVIL}}]
    checks = [{"what": EVIL, "met": False, "why": EVIL, "evidence": evidence}]
    verdicts = {EVIL: {"criterion": EVIL, "status": "graded", "reward": 0.0, "checks": checks, "traceback": EVIL}}
    return grade | {"outcome": "failed", "reward": 0.0, "note": EVIL, "basis": [EVIL], "verdicts": verdicts}


def many_calls(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = list(messages[:2])
    for number in range(10_000):
        call = {"id": f"c{number}", "name": "get_users", "arguments": {}, "requestor": "assistant"}
        found.append({"role": "assistant", "tool_calls": [call]})
        found.append({"role": "tool", "id": f"c{number}", "content": "[]", "requestor": "assistant"})
    return found


@pytest.fixture(scope="module")
def address(spoilt: Path) -> Iterator[str]:
    with serving("view", spoilt) as found:
        httpx.get(found, timeout=60)  # the indexes are built now
        yield found


def test_hostile_content_is_shown_as_text(address: str, open_page: Callable[..., Any]) -> None:
    page = open_page(address)
    assert "is not of format" in page.locator("main").inner_text()
    assert page.locator("tr[data-row]").count() == 7  # a link to the folder itself adds no runs
    follow(page, page.get_by_role("link", name="hostile", exact=True))
    assert "<img src=x onerror=alert(1)>" in page.locator("main").inner_text()
    assert_accessible(page)
    page.goto(f"{address}runs/hostile/0/0")
    text = page.locator("main").inner_text()
    assert page.title().startswith("<img src=x onerror=alert(1)>")
    assert r"\x1b[31mred\u202etxt\x00 &amp; {{ 7*7 }}" in text
    assert page.locator("img, main script").count() == 0
    assert "more characters" in text
    assert_accessible(page)
    page = open_page(f"{address}runs/hostile/0/0", width=390)
    assert_accessible(page)


def test_an_episode_with_ten_thousand_calls_is_shown_in_parts(address: str) -> None:
    page = httpx.get(f"{address}runs/many/0/0", timeout=60)
    assert page.status_code == 200
    assert page.text.count('class="message ') == 300
    assert "10,000 calls" not in page.text
    last = httpx.get(f"{address}runs/many/0/0?from=19802", timeout=60)
    assert last.status_code == 200
    assert 'id="m20000"' in last.text


def test_an_episode_with_ten_thousand_calls_keeps_its_layout(address: str, open_page: Callable[..., Any]) -> None:
    page = open_page(f"{address}runs/many/0/0", width=390)
    assert page.locator(".message").count() == 300
    assert_accessible(page)


@pytest.mark.parametrize("path", ["runs/damaged", "runs/nothing", "runs/newer"])
def test_error_pages_are_accessible(address: str, open_page: Callable[..., Any], path: str) -> None:
    page = open_page(f"{address}{path}", refused=True)
    assert_accessible(page)


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("runs/damaged", 409, "run.json"),
        ("runs/newer", 409, "is not of format"),
        ("runs/pipe", 409, "is not a regular file"),
        ("runs/figures", 200, "tool_calls cannot be -1"),
        ("runs/nothing", 404, "there is no run"),
        ("runs/..~..~etc", 404, "there is no run"),
        ("runs/gone/99/0", 404, "no task number 99"),
        ("runs/gone/0/7", 404, "no trial 7"),
        ("runs/gone/0/0/messages/999", 404, "no message 999"),
        (f"runs/gone/0/{10**30}", 404, "the run has 2"),
        (f"runs/gone/{10**30}/0", 404, "no task number 1000"),
        (f"runs/{'n' * 5000}", 404, "there is no run"),
        ("runs/%00", 404, "there is no run"),
        ("runs/%2e%2e", 404, "there is no run"),
        ("runs/..%2fgone", 404, "Page not found"),
        ("static/..%2faccess.py", 404, "Page not found"),
        ("compare?run=gone&run=..~gone", 404, "there is no run"),
        ("compare?run=gone", 404, "select two runs"),
        ("domains/nothing", 404, "no domain"),
        ("domains/mock/tables/agent/nothing", 404, "no table"),
        ("domains/mock/tasks?id=nothing", 404, "no task"),
        ("pages/nothing", 404, "no plugin has a page"),
        ("play?domain=nothing", 404, "no domain"),
        ("play/nothing", 404, "no longer open"),
        ("nothing", 404, "Page not found"),
    ],
)
def test_errors_are_shown_as_pages(address: str, path: str, status: int, words: str) -> None:
    page = httpx.get(address + path, timeout=60)
    assert page.status_code == status
    assert words in page.text
    assert "Traceback" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_an_episode_of_a_missing_pack_is_shown_without_replay(address: str) -> None:
    page = httpx.get(f"{address}runs/gone/0/0", timeout=60)
    assert page.status_code == 200
    assert "no domain &#39;uninstalled&#39;" in page.text
    assert "Conversation" in page.text
    assert "differs from" in page.text


def test_a_run_can_be_deleted_while_it_is_shown(runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "few"
    shutil.copytree(runs / "random", folder / "one")
    with serving("view", folder) as found:
        assert httpx.get(f"{found}runs/one").status_code == 200
        shutil.rmtree(folder / "one")
        assert httpx.get(f"{found}runs/one").status_code == 404
        assert "There is no run in" in httpx.get(found).text
