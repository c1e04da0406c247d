"""Playing in the browser, writing a pack, comparing, and watching a run in progress."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from tau2_core.testing.scripted_endpoint import ScriptedEndpoint, call, say
from tau2_gym_workbench.authoring import with_id

from tests.documents import ROOT, write_files
from tests.workbench.conftest import MOCK, assert_accessible, follow, serving

pytestmark = pytest.mark.domain("mock")
Open = Callable[..., Any]


def test_a_task_can_be_played_graded_and_saved(runs: Path, tmp_path: Path, open_page: Open) -> None:
    folder = tmp_path / "mine"
    with serving("view", folder) as address:
        page = open_page(f"{address}play?domain=mock&task=complete_task")
        assert_accessible(page)
        follow(page, page.get_by_role("button", name="Begin"))
        complete_task_5(page)
        follow(page, page.get_by_role("button", name="Grade", exact=True))
        assert page.locator(".title .outcome").inner_text() == "solved"
        assert_accessible(page)
        follow(page, page.get_by_role("button", name="Keep as a run"))
        follow(page, page.get_by_role("link", name="mock-played"))
        assert page.locator("a.cell.solved").count() == 1
        page.close()  # it may still load something when the server ends
    (kept,) = folder.iterdir()
    assert json.loads((kept / "summary.json").read_text())["mean_reward"] == 1.0


def complete_task_5(page: Any) -> None:
    """Make the gold call of `complete_task`, and say so."""
    page.locator("summary", has_text="update_task_status").click()
    form = page.locator("form", has=page.get_by_role("button", name="Call update_task_status"))
    form.get_by_label("task_id").fill("task_5")
    form.get_by_label("status").select_option('"completed"')
    follow(page, form.get_by_role("button"))
    assert "tasks.task_5.status" in page.locator("#time-machine").inner_text()
    page.get_by_label("Say to the customer").fill("It is done.")
    follow(page, page.get_by_role("button", name="Say it"))


def test_playing_the_customer_shows_errors(server: str, open_page: Open) -> None:
    page = open_page(f"{server}play?domain=mock&task=complete_task")
    page.get_by_label("the customer; the agent is").first.check()
    follow(page, page.get_by_role("button", name="Begin"))
    for text in ("Please complete task_5.", "I am Rosa Delgado.", "Yes, do."):
        page.get_by_label("Say to the agent").fill(text)
        follow(page, page.get_by_role("button", name="Say it"))
    follow(page, page.get_by_role("button", name="Hang up and grade"))
    assert page.locator(".title .outcome").inner_text() == "solved"
    address = page.url.partition("#")[0]
    answer = page.request.post(f"{address}/say", form={"text": "more"}, headers={"Origin": server.rstrip("/")})
    assert "has ended" in answer.text()


def test_the_customer_can_be_played_against_a_model(tmp_path: Path, open_page: Open, gym: Any) -> None:
    """The saved run can be read by report and grade."""
    task = "create_what_a_notification_asks_for"
    made = {"user_id": "nadia_okafor", "title": "Have a second key cut"}
    steps = [call(("create_task", made)), say("It is on your list. You may dismiss the notice now."), say("Goodbye.")]
    with ScriptedEndpoint(lambda asked: steps[asked.answered - 1]) as endpoint, serving("view", tmp_path) as address:
        page = open_page(f"{address}play?domain=mock&task={task}")
        page.get_by_label("the customer; the agent is").first.check()
        page.get_by_label("A model for the other side").fill("endpoint/agent")
        page.get_by_label("Its arguments, as JSON").fill(json.dumps({"api_base": endpoint.url}))
        follow(page, page.get_by_role("button", name="Begin"))
        call_tool(page, "check_notifications")
        assert "Have a second key cut" in page.locator(".message.customer details.call").text_content()
        page.get_by_label("Say to the agent").fill("Please put what the notice asks for on my list.")
        follow(page, page.get_by_role("button", name="Say it"))
        assert "dismiss the notice now" in page.locator(".message.agent").last.inner_text()
        call_tool(page, "dismiss_notification", notification_id="notice_4")
        assert "notifications.notice_4.status" in page.locator("#time-machine").text_content()
        assert_accessible(page)
        follow(page, page.get_by_role("button", name="Hang up and grade"))
        assert page.locator(".title .outcome").inner_text() == "solved"
        assert "missing" in page.locator(".panel", has_text="Gold and actual calls").first.inner_text()  # get_users
        follow(page, page.get_by_role("button", name="Keep as a run"))
        follow(page, page.get_by_role("link", name="mock-played"))
        follow(page, page.locator("a.cell.solved").first)
        assert "tokens" in page.locator(".message.agent", has_text="dismiss the notice").inner_text()
        page.close()  # close it before its server
    (kept,) = (each for each in tmp_path.iterdir() if "played" in each.name)
    (report,) = json.loads(gym("report", kept, "--json").stdout)
    assert (report["solved_by_task"], report["models"]) == ({task: 1}, {"agent": "endpoint/agent"})
    assert gym("grade", kept, "--evaluators", "strict").returncode == 0
    assert json.loads((kept / "grades.jsonl").read_text())["evaluators"] == "strict"


def call_tool(page: Any, tool: str, /, **arguments: str) -> None:
    page.locator("summary", has_text=tool).first.click()
    form = page.locator("form", has=page.get_by_role("button", name=f"Call {tool}"))
    for label, value in arguments.items():
        form.get_by_label(label).fill(value)
    follow(page, form.get_by_role("button"))


def test_a_task_is_played_in_a_variant_with_options(tmp_path: Path, open_page: Open) -> None:
    write_files(ROOT / "docs" / "how-to" / "knowledge.md", tmp_path)
    with serving("view", tmp_path / "runs", "--pack", tmp_path / "desk") as address:
        page = open_page(f"{address}play?domain=desk&task=reset")
        assert_accessible(page)
        assert page.locator("select[name=variant]").input_value() == "search"
        page.locator("select[name=variant]").select_option("native")
        page.get_by_label("Its options, as JSON").fill('{"top_k": 1}')
        follow(page, page.get_by_role("button", name="Begin"))
        assert "desk (native, top_k = 1)" in page.locator("p.about").inner_text()
        call_tool(page, "search", query="printer hangs")
        assert page.content().count("   Score: ") == 1
        assert page.get_by_role("button", name="Call reset_printer_17").count() == 0
        call_tool(page, "unlock", name="reset_printer_17")
        call_tool(page, "reset_printer_17", printer="P1")
        follow(page, page.get_by_role("button", name="Grade", exact=True))
        assert page.locator(".title .outcome").inner_text() == "solved"
        follow(page, page.get_by_role("button", name="Keep as a run"))
        page.get_by_role("link", name="desk-played").wait_for()
        page.close()
    (kept,) = (tmp_path / "runs").iterdir()
    told = json.loads((kept / "run.json").read_text(encoding="utf-8"))
    assert (told["variant"], told["variant_options"]) == ("native", {"top_k": 1})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"options": "["}, "the variant&#39;s options should be a JSON object"),
        ({"options": '{"top_k": 1}'}, "is played without a variant, so it has no option"),
        ({"variant": "slo"}, "mock has no variant &#39;slo&#39;"),
    ],
)
def test_a_wrong_variant_is_refused(server: str, given: dict[str, str], words: str) -> None:
    form = {"domain": "mock", "task": "create_plain", "side": "agent", **given}
    answer = httpx.post(f"{server}play", data=form)
    assert (answer.status_code, words in answer.text) == (404, True), answer.text[-600:]


@pytest.mark.parametrize(
    ("text", "words"), [("[]", "not []"), ("{", "should be a JSON object"), ("1" * 5000, "object")]
)
def test_model_arguments_must_be_an_object(server: str, text: str, words: str) -> None:
    form = {"domain": "mock", "task": "create_plain", "side": "agent", "model": "endpoint/x", "arguments": text}
    answer = httpx.post(f"{server}play", data=form)
    assert (answer.status_code, words in answer.text) == (404, True)


def test_dev_checks_changes_and_adds_a_task(tmp_path: Path, open_page: Open, gym: Any) -> None:
    pack = Path(shutil.copytree(MOCK, tmp_path / MOCK.name, ignore=shutil.ignore_patterns("__pycache__")))
    # It is a copy of an installed pack, whose modules have the same names.
    with serving("dev", pack, "--runs", tmp_path / "runs") as address:
        page = open_page(address)
        assert page.locator(".title .state").inner_text() == "clean"
        assert_accessible(page)
        tools = pack / "tools.yaml" if (pack / "tools.yaml").exists() else next((pack / "tools").glob("*.yaml"))
        whole = tools.read_text()
        tools.write_text(whole.replace("kind: write", "kind: wrong", 1))
        page.locator(".notice.bad").first.wait_for()
        assert tools.name in page.locator(".notice.bad").first.inner_text()
        tools.write_text(whole)
        page.locator(".notice.good").wait_for()
        page.goto(f"{address.removesuffix('dev')}play?domain=mock&task=complete_task")
        follow(page, page.get_by_role("button", name="Begin"))
        complete_task_5(page)
        page.locator("summary", has_text="Make a task").click()
        page.get_by_label("Id", exact=True).fill("made_here")
        page.get_by_label("Scenario").fill("You want task_5 completed.")
        follow(page, page.get_by_role("button", name="Write it"))
        assert "Written to" in page.locator(".notice.good").inner_text()
        assert "update_task_status" in page.locator("#made").inner_text()
        page.goto(f"{address.removesuffix('dev')}domains/mock/tasks?id=made_here")
        assert "You want task_5 completed." in page.locator("main").inner_text()
        tell_change(address, tools)
    assert gym("check", "--pack", pack).returncode == 0
    run = ("run", "mock", "--pack", pack, "--task", "made_here", "--agent", "oracle", "--name", "oracle")
    assert gym(*run).returncode == 0
    assert json.loads((tmp_path / "runs" / "oracle" / "summary.json").read_text())["mean_reward"] == 1.0


def tell_change(address: str, file: Path) -> None:
    """A page is notified of a change that happened before it listened, even if another page was changed meanwhile."""
    shown = httpx.get(address).text
    file.write_text(f"{file.read_text()}\n")
    assert httpx.get(address).status_code == 200
    events = re.search(r'data-changes="([^"]+)"', shown)
    assert events is not None
    with httpx.stream("GET", httpx.URL(address).join(events[1])) as stream:
        assert next(filter(None, stream.iter_lines())) == "data: changed"


@pytest.mark.parametrize("text", ["base: [a, b]\n", "base:\n  # ours\n  - a\n  - b\n", "x: [c]\nbase:\n- a\n- b\n"])
def test_adding_an_id_keeps_the_form_of_the_split(text: str) -> None:
    after = yaml.safe_load(with_id(text, "base", "new"))
    assert after == {**yaml.safe_load(text), "base": ["new", "a", "b"]}
    assert yaml.safe_load(with_id("base: []\n", "base", "new")) == {"base": ["new"]}


def test_two_runs_can_be_compared(runs: Path, server: str, open_page: Open) -> None:
    page = open_page(server)
    page.get_by_label("compare random").check()
    page.get_by_label("compare more/strict").check()
    follow(page, page.get_by_role("button", name="Compare"))
    assert "were not played under the same conditions" in page.locator(".notice").first.inner_text()
    assert_accessible(page)
    page.goto(f"{server}compare?run=oracle&run=random&ignore=digests.plugins")
    assert "B is worse" in page.locator(".title").inner_text()
    assert_accessible(page)
    follow(page, page.locator("a.cell").first)
    assert page.locator(".pair section").count() == 2
    assert_accessible(page)


def test_domains_are_shown(server: str, open_page: Open) -> None:
    page = open_page(f"{server}domains")
    assert_accessible(page)
    follow(page, page.get_by_role("link", name="mock", exact=True))
    assert_accessible(page)
    follow(page, page.get_by_role("link", name="tasks", exact=True))
    assert_accessible(page)
    page.goto(f"{server}domains/mock/check")
    assert "No problems found." in page.locator("main").inner_text()
