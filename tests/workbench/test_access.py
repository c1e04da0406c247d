"""Access to pages and forms, and names of runs that could lead to other files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest

from tests.workbench.conftest import follow, serving

pytestmark = pytest.mark.domain("mock")
TOKEN = 'a sécret; with "marks"'
NAMES = ["%2f..%2f", "a\nb <i>", "a b#c?d&e", "n" * 200, "a..b"]
FORM = {"domain": "mock", "task": "create_plain", "side": "agent"}


def test_a_token_becomes_a_cookie(runs: Path) -> None:
    with serving("view", runs, "--host", "0.0.0.0", "--token", TOKEN) as found:
        port = found.split(":")[2].split("/")[0]
        base = f"http://127.0.0.1:{port}/"
        for given in ({}, {"Cookie": f"tau2_gym_view={quote(TOKEN)}"}, {"Authorization": "Bearer another"}):
            assert httpx.get(base, headers=given).status_code == 401
        assert httpx.get(f"{base}?token=another").status_code == 401
        assert httpx.get(f"{base}static/workbench.css").status_code == 401
        assert httpx.post(f"{base}play", data=FORM).status_code == 401
        assert httpx.get(base, headers={b"Authorization": f"Bearer {TOKEN}".encode()}).status_code == 200
        with httpx.Client() as client:
            query = urlencode({"outcome": "failed", "token": TOKEN})
            first = client.get(f"{base}runs/random?{query}")
            assert (first.status_code, first.headers["location"]) == (303, "/runs/random?outcome=failed")
            cookie = first.headers["set-cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite" in cookie
            assert "cret" not in cookie
            assert client.get(base).status_code == 200
            assert client.get(f"{base}?{query}").status_code == 303  # on later visits too
            assert client.get(f"{base}/elsewhere.example?{query}").headers["location"].startswith("/elsewhere")
            assert client.post(f"{base}play", data=FORM, headers={"Origin": "http://elsewhere"}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "attacker.example"},
        {"Host": "127.0.0.1.attacker.example"},
        {"Host": "127.0.0.1, attacker.example"},
        {"Host": "[::1"},
        {"Host": ""},
    ],
)
def test_on_loopback_other_names_are_refused(server: str, headers: dict[str, str]) -> None:
    assert httpx.get(server, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://attacker.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize(
    "path", ["play", "play/x/say", "play/x/call", "play/x/task", "play/x/keep", "runs/random/0/0/labels"]
)
def test_forms_from_other_sites_are_refused(server: str, path: str, headers: dict[str, str]) -> None:
    assert httpx.post(server + path, data=FORM, headers=headers).status_code == 403


def test_a_form_that_is_too_long_is_refused(server: str) -> None:
    answer = httpx.post(f"{server}play", data={"task": "x" * 3_000_000})
    assert (answer.status_code, "longer than 2,000,000 bytes" in answer.text) == (404, True)


def test_runs_of_any_name_have_a_page(runs: Path, tmp_path: Path, open_page: Callable[..., Any], gym: Any) -> None:
    folder, outside = tmp_path / "runs", tmp_path / "outside"
    for name in NAMES:
        shutil.copytree(runs / "random", folder / name)
    shutil.copytree(runs / "random", outside)
    (folder / "link").symlink_to(outside)
    with serving("view", folder) as address:
        page = open_page(address)
        assert page.locator("tr[data-row]").count() == len(NAMES) + 1
        for name in [*NAMES, "link"]:
            page.goto(address)
            follow(page, page.locator("tr[data-row] td a").filter(has_text=name.split("\n")[0]).first)
            follow(page, page.locator("a.cell.failed").first)
            assert page.locator(".verdict").count() == 1
        page.close()  # close it before its server
    done = gym("view", "--export", tmp_path / "pages", folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert {each.name for each in tmp_path.iterdir()} >= {"pages", "runs", "outside"}
    assert len(list((tmp_path / "pages" / "runs").iterdir())) == len(NAMES) + 1
    page = open_page((tmp_path / "pages" / "index.html").as_uri(), script=False)
    for row in range(len(NAMES) + 1):
        follow(page, page.locator("tr[data-row]").nth(row).get_by_role("link").first)
        follow(page, page.locator("a.cell.failed").first)
        page.go_back()
        page.go_back()


def test_a_run_folder_can_be_opened_directly(runs: Path, open_page: Callable[..., Any]) -> None:
    with serving("view", runs / "random") as address:
        page = open_page(address)
        follow(page, page.get_by_role("link", name="random", exact=True))
        follow(page, page.locator("a.cell.failed").first)
        assert page.locator(".verdict").count() == 1
        page.close()  # close it before its server
