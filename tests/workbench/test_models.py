"""Runs played by models behind the scripted endpoint, in a real browser: from the list to a failing check."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.workbench.conftest import assert_accessible, follow

pytestmark = pytest.mark.domain("mock")
Open = Callable[..., Any]
EACH = re.compile(r" 110 tokens \$0\.2000 [1-9]\d* ms$")  # of every answer of the endpoint


@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (390, "dark")])
def test_messages_and_usage_of_models_are_shown(server: str, open_page: Open, width: int, scheme: str) -> None:
    page = open_page(server, width=width, scheme=scheme)
    page.get_by_label("Search").fill("endpoint/careless")
    follow(page, page.get_by_role("button", name="Apply"))
    cells = page.locator("tr[data-row]").inner_text().split()
    assert {"endpoint/careless", "endpoint/customer", "endpoint/judge"} <= set(cells)
    assert any(cell.startswith("$") for cell in cells)
    follow(page, page.get_by_role("link", name="careless", exact=True))
    figures = page.locator("#live").inner_text()
    assert "cost" in figures
    assert "tokens" in figures
    for spread in ("cost", "agent’s latency", "customer’s latency"):
        assert page.get_by_role("img", name=f"{spread} from").count() == 1
    assert_accessible(page)
    follow(page, page.locator("a.cell.failed").first)
    assert "differs from the gold's end state" in page.locator(".verdict").inner_text()
    assert "not made:" in page.locator("#time-machine").inner_text()
    said = page.locator(".message", has_text="That is done.").locator(".who").first
    assert EACH.search(" ".join(said.inner_text().split()))
    assert "has changed since this run was played" in page.locator(".notice").first.inner_text()
    assert_accessible(page)
    page.goto(f"{server}runs/careless/4/0")
    assert "endpoint/judge" in page.locator("section", has=page.get_by_role("heading", name="Judge")).inner_text()
    assert_accessible(page)


def test_runs_of_two_models_can_be_compared(server: str, open_page: Open) -> None:
    page = open_page(server)
    page.get_by_label("compare careful").check()
    page.get_by_label("compare careless").check()
    follow(page, page.get_by_role("button", name="Compare"))
    assert "B is worse" in page.locator(".title").inner_text()
    assert "endpoint/careful → endpoint/careless" in page.locator(".about").inner_text().replace('"', "")
    assert_accessible(page)
    follow(page, page.locator("a.cell.failed").first)
    failed = page.locator(".pair section", has=page.locator(".outcome.failed"))
    assert "That is done." in failed.inner_text()
    assert_accessible(page)
