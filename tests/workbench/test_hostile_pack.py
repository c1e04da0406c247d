"""A pack with hostile texts everywhere: its pages show them as text, keep their layout, and can be played."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.workbench.conftest import MOCK, assert_accessible, follow, serving

pytestmark = pytest.mark.domain("mock")
Open = Callable[..., Any]
EVIL = "<img src=x onerror=alert(1)>\"'</script></textarea>\x1b[31mred\u202etxt\x00\u2066 &amp; {{ 7*7 }}"
SHOWN = r"""<img src=x onerror=alert(1)>"'</script></textarea>\x1b[31mred\u202etxt\x00\u2066 &amp; {{ 7*7 }}"""
LONG = "long" * 250_000
TASK = f"evil {EVIL} " + "t" * 300


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the mock pack with hostile records, tools, texts and a hostile task."""
    folder = tmp_path_factory.mktemp("hostile") / "hostile_mock"
    shutil.copytree(MOCK, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in folder.rglob("*.py"):
        file.write_text(file.read_text().replace(MOCK.name, folder.name))
    edit(folder / "data" / "db.yaml", evil_records)
    edit(folder / "tools" / "agent.yaml", evil_tools)
    edit(folder / "domain.yaml", lambda manifest: {**manifest, "description": EVIL})
    edit(folder / "data" / "splits.yaml", lambda splits: {**splits, "train": [TASK, *splits["train"]]})
    policy = folder / "prompts" / "policy.md.j2"
    policy.write_text(f"{policy.read_text()}\n{{% raw %}}{EVIL.replace(chr(0), '')}{LONG[:900_000]}{{% endraw %}}\n")
    gold = {"name": "create_task", "arguments": {"user_id": EVIL, "title": EVIL, "description": LONG}}
    scenario = {"instructions": f"{EVIL} {LONG}"}
    task = {"id": TASK, "user_scenario": scenario, "evaluation_criteria": {"actions": [gold]}, "ticket": EVIL}
    (folder / "data" / "tasks" / "evil.yaml").write_text(yaml.safe_dump([task]))
    return folder


def edit(file: Path, how: Callable[[Any], Any]) -> None:
    file.write_text(yaml.safe_dump(how(yaml.safe_load(file.read_text()))))


def evil_records(data: Any) -> Any:
    data["users"][EVIL] = {"user_id": EVIL, "name": LONG, "tasks": [EVIL] * 50}
    for number in range(60):
        key = f"task_{EVIL}_{number}"
        data["tasks"][key] = {"task_id": key, "title": EVIL, "description": LONG[:2000], "status": "pending"}
    return data


def evil_tools(tools: Any) -> Any:
    for tool in tools.values():
        tool["description"] = f"{EVIL} {LONG[:3000]}"
        for parameter in tool.get("parameters", {}).values():
            parameter["description"] = EVIL
    return tools


@pytest.fixture(scope="module")
def address(pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving("dev", pack, "--runs", tmp_path_factory.mktemp("kept") / "runs") as found:
        yield found.removesuffix("dev")


@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (390, "dark")])
def test_a_hostile_pack_is_shown_as_text(address: str, open_page: Open, width: int, scheme: str) -> None:
    page = open_page(f"{address}domains", width=width, scheme=scheme)
    looked_at(page)
    follow(page, page.get_by_role("link", name="mock", exact=True))
    assert SHOWN in page.locator("main").text_content()
    looked_at(page)
    follow(page, page.locator("#tasks a", has_text="evil <img").first)
    assert SHOWN in page.locator("h1").inner_text()
    looked_at(page)
    for table in ("tasks?page=2&q=task_", "users"):
        page.goto(f"{address}domains/mock/tables/agent/{table}")
        assert "<img src=x onerror=alert(1)>" in page.locator("main").text_content()  # the quotes are JSON's
        looked_at(page)
    for path in ("domains/mock/check", "domains/mock/audit", "dev", "play"):
        page.goto(address + path)
        looked_at(page)


def test_a_hostile_task_can_be_played_and_saved(address: str, open_page: Open) -> None:
    page = open_page(f"{address}play?domain=mock")
    choice = page.get_by_label("Task")
    texts = choice.locator("option").all_text_contents()
    choice.select_option(index=next(number for number, text in enumerate(texts) if text.startswith("evil <img")))
    follow(page, page.get_by_role("button", name="Begin"))
    page.locator("summary", has_text="create_task").click()
    form = page.locator("form", has=page.get_by_role("button", name="Call create_task"))
    form.get_by_label("user_id").fill("rosa_delgado")
    form.get_by_label("title").fill(EVIL)
    form.get_by_label("description").fill(LONG)
    follow(page, form.get_by_role("button"))
    assert "img src=x" in page.locator("#time-machine").inner_text()
    looked_at(page)
    page.get_by_label("Say to the customer").fill(f"{EVIL}{LONG}")
    follow(page, page.get_by_role("button", name="Say it"))
    follow(page, page.get_by_role("button", name="Grade", exact=True))
    page.locator("summary", has_text="Make a task").click()
    page.get_by_label("Id", exact=True).fill(EVIL)
    page.get_by_label("Scenario").fill(EVIL)
    follow(page, page.get_by_role("button", name="Show the YAML"))
    looked_at(page)
    follow(page, page.get_by_role("button", name="Keep as a run"))
    follow(page, page.get_by_role("link", name="mock-played"))
    looked_at(page)
    follow(page, page.locator("table.matrix a.cell"))
    looked_at(page)
    page = open_page(page.url, width=390)
    looked_at(page)


def looked_at(page: Any) -> None:
    """Check that nothing of the pack has become an element, and that the page is valid."""
    assert page.locator("img, main script, main [onerror]").count() == 0
    assert page.evaluate("document.querySelectorAll('main').length") == 1
    assert_accessible(page)
