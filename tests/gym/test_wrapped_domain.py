"""A domain written in Python for tau2-bench, served over MCP: `serve --pack-tau2`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.gym.conftest import Start

DOMAINS = Path(__file__).parents[1] / "tau2_python" / "domains"


def test_both_sides_call_its_tools_each_in_a_world_of_its_own(start: Start) -> None:
    server = start("bookshop", "--pack-tau2", "bookshop.environment", PYTHONPATH=str(DOMAINS))
    world, other = (server.create("bookshop", task_id="shelve") for _ in range(2))
    untouched = other.digests()
    assert [tool["name"] for tool in world.tools()] == ["get_book", "order", "count_orders", "transfer_to_human_agents"]
    assert [tool["name"] for tool in world.tools(user=True)] == ["put_on_shelf", "look_at_mail"]
    failed = world.call("get_book", {"isbn": "999"})
    assert (failed["isError"], failed["content"][0]["text"]) == (True, "Error: no book 999")
    assert world.value("get_book", {"isbn": "111"}) == {"title": "Ångström", "price": 10.0, "stock": 3}
    assert world.text("put_on_shelf", {"title": "Ångström"}, user=True) == "Ångström is on the shelf."
    assert world.control(what="/reward").json()["reward"] == 1.0
    world.value("order", {"order_id": "o1", "lines": [{"isbn": "111"}]})
    assert world.value("look_at_mail", user=True) == {"o1": "Your order o1 is on its way."}
    grade = world.control(what="/reward").json()["grade"]
    paths = {change["path"] for check in grade["verdicts"]["DB"]["checks"] for change in check["evidence"]}
    assert (grade["reward"], paths) == (0.0, {"books.111.stock", "orders.o1", "told.o1"})
    assert other.value("count_orders") == "0"  # a bare number becomes text, as in tau2-bench
    assert other.digests() == untouched
