"""The workbench in a real browser: reading runs and finding why an episode failed, in wide and narrow windows."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.workbench.conftest import assert_accessible, follow

pytestmark = pytest.mark.domain("mock")
Open = Callable[..., Any]


def test_two_clicks_lead_from_the_runs_to_the_failing_check(server: str, open_page: Open) -> None:
    page = open_page(server)
    assert_accessible(page)
    follow(page, page.get_by_role("link", name="random", exact=True))
    follow(page, page.locator("a.cell.failed").first)
    verdict = page.locator(".verdict")
    assert "differs from the gold's end state" in verdict.inner_text()
    assert verdict.locator("details[open]").count() >= 1
    assert_accessible(page)


def test_a_group_of_failures_is_a_filter(server: str, open_page: Open) -> None:
    page = open_page(f"{server}runs/random")
    assert_accessible(page)
    group = page.locator("#groups li", has=page.locator("a")).first
    episodes = int(group.locator(".quiet").inner_text().split()[0])
    follow(page, group.locator("a"))
    assert page.locator("a.cell.failed:not(.faded)").count() == episodes
    follow(page, page.get_by_role("link", name="show all"))
    assert page.locator("a.cell.faded").count() == 0
    page.get_by_label("Search").fill("create_for_the_shortest_list")
    follow(page, page.get_by_role("button", name="Apply"))
    assert page.locator(".matrix tbody tr").count() == 1


def test_the_time_machine_steps_over_the_calls(server: str, open_page: Open) -> None:
    page = open_page(f"{server}runs/oracle")
    tasks = page.locator(".matrix tbody tr").count()
    page.goto(f"{server}runs/oracle/{most_steps(page, server, tasks)}/0")
    steps = page.locator("[data-step]")
    assert steps.count() >= 2
    assert steps.locator("visible=true").count() == 1
    first = steps.locator("visible=true").inner_text()
    page.get_by_role("button", name="next call").click()
    assert steps.locator("visible=true").inner_text() != first
    page.get_by_label("call", exact=True).press("Home")
    assert steps.locator("visible=true").inner_text() == first
    assert "equal the gold" in page.locator("#time-machine").inner_text()
    assert_accessible(page)


def most_steps(page: Any, server: str, tasks: int) -> int:
    """Return the task whose episode has the most calls that could change something."""
    counts = []
    for task in range(tasks):
        text = page.request.get(f"{server}runs/oracle/{task}/0").text()
        counts.append(text.count("data-step"))
    return counts.index(max(counts))


def test_keyboard_shortcuts_work(server: str, open_page: Open) -> None:
    page = open_page(f"{server}runs/random/0/0")
    page.keyboard.press("j")
    assert page.locator(".message.at").get_attribute("id") == "m0"
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert page.locator(".message.at").get_attribute("id") == "m0"
    page.keyboard.press("?")
    assert page.locator("dialog#keys").is_visible()
    assert_accessible(page)
    page.keyboard.press("Escape")
    page.keyboard.press("J")
    page.wait_for_url("**/runs/random/0/1")
    page.keyboard.press("f")
    page.wait_for_url(lambda url: not url.endswith("/0/1"))
    assert page.locator(".title .outcome.failed").count() == 1
    page.keyboard.press("u")
    page.wait_for_url("**/runs/random")


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (390, "dark"), (1400, "dark")])
def test_pages_fit_narrow_windows_and_dark_mode(server: str, open_page: Open, width: int, scheme: str) -> None:
    page = open_page(server, width=width, scheme=scheme)
    assert_accessible(page)
    compared = "compare?run=oracle&run=random&ignore=digests.plugins"
    for path in ("runs/random", "runs/random/0/0", "runs/more~strict/3/0", "pages/plugins", compared):
        page.goto(server + path)
        assert_accessible(page)


def test_pages_can_be_read_without_scripts(server: str, open_page: Open) -> None:
    page = open_page(f"{server}runs/random/0/0", script=False)
    assert page.locator(".message").count() > 1
    assert page.locator("[data-step]").count() == page.locator("[data-step]:visible").count()


def test_exported_pages_open_from_disk(gym: Any, runs: Path, tmp_path: Path, open_page: Open) -> None:
    done = gym("view", "--export", "pages", runs / "oracle", runs / "random")
    assert (done.returncode, done.stderr) == (0, "")
    page = open_page((tmp_path / "pages" / "index.html").as_uri(), script=False)
    follow(page, page.get_by_role("link", name="random", exact=True))
    follow(page, page.locator("a.cell.failed").first)
    assert "differs from the gold's end state" in page.locator(".verdict").inner_text()
    for url in ((tmp_path / "pages" / "index.html").as_uri(), page.url):
        assert_accessible(open_page(url))
    follow(page, page.get_by_role("link", name="next failure"))
    assert page.locator(".title .outcome.failed").count() == 1
    follow(page, page.get_by_role("link", name="Runs").first)
    assert page.locator("tr[data-row]").count() == 2
    follow(page, page.get_by_role("link", name="random against oracle"))
    assert "B is worse" in page.locator(".title").inner_text()
    follow(page, page.locator("a.cell").first)
    assert page.locator(".pair section").count() == 2
    follow(page, page.get_by_role("link", name="Domains"))
    follow(page, page.get_by_role("link", name="mock", exact=True))
    follow(page, page.get_by_role("link", name="tasks", exact=True))
    assert page.locator("tr[data-row]").count() >= 5
    page.go_back()
    follow(page, page.locator("#tasks a").first)
    assert page.get_by_role("heading", name="Gold").count() == 1
    assert links_that_lead_nowhere(tmp_path / "pages") == []


def links_that_lead_nowhere(folder: Path) -> list[str]:
    return [
        f"{file}: {link}"
        for file in folder.rglob("*.html")
        for link in re.findall(r'(?:href|src|action)="([^"#]+)', file.read_text())
        if not (file.parent / unquote(unescape(link))).is_file()
    ]
