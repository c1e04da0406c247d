"""`tau2-gym new --from-openapi`: what a document says becomes tools and records; what it does not say is told."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import yaml
from tau2_core.packs.yaml_source import read_yaml

from tests.bakery import forget_packs, in_process

Gym = Callable[..., CompletedProcess[str]]


def operation(**more: Any) -> dict[str, Any]:
    return {"responses": {"200": {"description": "done"}}, **more}


def document(paths: dict[str, Any], version: str = "3.1.0", **schemas: Any) -> dict[str, Any]:
    about = {"openapi": version, "info": {"title": "Shop", "version": "1"}}
    return {**about, "paths": paths, "components": {"schemas": schemas}}


ANCHORS = """
openapi: 3.1.0
info: {title: Shop, version: "1"}
paths:
  /things/{id}:
    get:
      operationId: get_it
      parameters: &parameters
        - {name: id, in: path, required: true, schema: {type: string}}
      responses: {"200": {description: done}}
    delete: {operationId: delete_it, parameters: *parameters, responses: {"200": {description: done}}}
"""
ORDER = {
    "type": "object",
    "required": ["id", "state"],
    "properties": {
        "id": {"type": "string"},
        "state": {"type": "string", "enum": ["open", "sent"]},
        "note": {"type": ["string", "null"]},
        "items": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}},
    },
}
ITEM = {"type": "object", "properties": {"sku": {"type": "string"}, "count": {"type": "integer"}}}
SHOP = document(
    {
        "/orders/{order-id}": {
            "parameters": [{"name": "order-id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": operation(
                operationId="getOrder",
                summary="Look an order up.",
                responses={
                    "200": {
                        "description": "It.",
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}},
                    }
                },
            ),
            "post": operation(
                operationId="changeOrder",
                summary="Change an order.",
                parameters=[{"name": "X-Trace", "in": "header", "schema": {"type": "string"}}],
                requestBody={
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}},
                },
            ),
        }
    },
    Order=ORDER,
    Item=ITEM,
)


def imported(folder: Path, content: Any, *options: str, name: str = "shop.json") -> CompletedProcess[str]:
    file = folder / name
    file.write_text(json.dumps(content) if name.endswith("json") else yaml.safe_dump(content), encoding="utf-8")
    return in_process("new", "corner_shop", "--dir", folder, "--from-openapi", file, *options)


def tools(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = read_yaml(folder / "corner_shop" / "tools" / "agent.yaml").value
    return content


def unwritten_only(gym: Gym, folder: Path, count: int) -> None:
    """Demand that `check` finds nothing in a pack but its handlers, which are to be written."""
    report = json.loads(gym("check", "--pack", folder / "corner_shop", "--json").stdout)
    assert [row["code"] for row in report["problems"]] == ["T2G025"] * count, report
    assert report["warnings"] == []


@pytest.mark.parametrize("name", ["shop.json", "shop.yaml"])
def test_operations_become_tools(gym: Gym, tmp_path: Path, name: str) -> None:
    done = imported(tmp_path, SHOP, name=name)
    assert (done.returncode, done.stderr) == (0, "")
    assert "left out: parameters in headers and cookies: X-Trace (POST /orders/{order-id})" in done.stdout
    assert "guessed: a table for each record with an id: order_table of Order" in done.stdout
    made = tools(tmp_path)
    assert {tool: entry["kind"] for tool, entry in made.items()} == {"getOrder": "read", "changeOrder": "write"}
    assert made["getOrder"]["parameters"]["order-id"] == {"type": "string", "alias": "order_id"}
    assert made["changeOrder"]["parameters"]["note"] == {"type": ["string", "null"], "optional": True}
    assert made["changeOrder"]["parameters"]["items"]["items"] == ITEM
    unwritten_only(gym, tmp_path, 2)


def test_records_and_handlers_are_typed(gym: Gym, tmp_path: Path) -> None:
    imported(tmp_path, SHOP, "--package")
    source = tmp_path / "corner_shop" / "src" / "tau2_domain_corner_shop"
    models = (source / "models.py").read_text(encoding="utf-8")
    assert (
        'class Order(Record):\n    """From shop.json."""\n\n    id: str\n    state: Literal["open", "sent"]' in models
    )
    assert "order_table: dict[str, Order]" in models
    handlers = (source / "handlers" / "orders.py").read_text(encoding="utf-8")
    assert "def get_order(db: CornerShopDB, order_id: str) -> Order:" in handlers
    assert 'raise NotImplementedError("get_order is not written yet")' in handlers


@pytest.mark.parametrize("options", [[], ["--package"]])
def test_the_test_of_an_imported_pack_fails_until_its_handlers_are_written(tmp_path: Path, options: list[str]) -> None:
    imported(tmp_path, SHOP, *options)
    test = runpy.run_path(str(tmp_path / "corner_shop" / "tests" / "test_corner_shop.py"))
    with pytest.raises(AssertionError, match="2 problems"):
        test["test_the_pack_keeps_its_contract"]()
    for file in tmp_path.rglob("handlers/orders.py"):
        file.write_text(re.sub("raise Not.*", "return db", file.read_text(encoding="utf-8")), encoding="utf-8")
    forget_packs()
    test["test_the_pack_keeps_its_contract"]()
    forget_packs()


def test_an_unwritten_handler_causes_no_further_problems(gym: Gym, tmp_path: Path) -> None:
    imported(tmp_path, SHOP)
    data = tmp_path / "corner_shop" / "data"
    task = {
        "id": "look",
        "outcome": "done",
        "user_scenario": {"instructions": "You want to know the state of order 1."},
        "evaluation_criteria": {"actions": [{"name": "getOrder", "arguments": {"order-id": "1"}}]},
    }
    (data / "tasks" / "tasks.yaml").write_text(json.dumps([task]), encoding="utf-8")
    (data / "splits.yaml").write_text("base: [look]\n", encoding="utf-8")
    unwritten_only(gym, tmp_path, 2)


def test_openapi_3_0_is_supported(gym: Gym, tmp_path: Path) -> None:
    limits = {"type": "integer", "nullable": True, "minimum": 0, "exclusiveMinimum": True}
    query = [{"name": "limit", "in": "query", "schema": limits}]
    imported(tmp_path, document({"/a": {"get": operation(operationId="a", parameters=query)}}, "3.0.3"))
    assert tools(tmp_path)["a"]["parameters"]["limit"] == {
        "type": ["integer", "null"],
        "exclusiveMinimum": 0,
        "optional": True,
    }
    unwritten_only(gym, tmp_path, 1)


def test_cycles_unions_and_missing_names_are_supported(gym: Gym, tmp_path: Path) -> None:
    node = {"type": "object", "properties": {"id": {"type": "string"}, "next": {"$ref": "#/components/schemas/Node"}}}
    either = {"oneOf": [{"$ref": "#/components/schemas/Node"}, {"type": "string"}]}
    body = {"content": {"application/json": {"schema": either}}}
    done = imported(
        tmp_path, document({"/nodes/{id}": {"post": operation(requestBody=body)}}, Node=node, Either=either)
    )
    assert "left out: a cycle: #/components/schemas/Node (POST /nodes/{id})" in done.stdout
    assert "left out: schemas that are not records: Either" in done.stdout
    assert "guessed: names of operations without an operationId: POST /nodes/{id} is post_nodes_id" in done.stdout
    assert "guessed: one parameter `body` for bodies that are not plain objects: POST /nodes/{id}" in done.stdout
    assert len(tools(tmp_path)["post_nodes_id"]["parameters"]["body"]["oneOf"]) == 2
    unwritten_only(gym, tmp_path, 1)


def test_remote_references_are_never_fetched(gym: Gym, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"type": "object", "properties": {"secret": {"type": "string"}}}')
    for reference in ("http://127.0.0.1:9/x.json", "other.json", (tmp_path / "other.json").as_uri()):
        body = {"content": {"application/json": {"schema": {"$ref": reference}}}}
        folder = tmp_path / str(abs(hash(reference)))
        folder.mkdir()
        done = imported(folder, document({"/a": {"post": operation(operationId="a", requestBody=body)}}))
        assert f"left out: a reference to another document, which is never fetched: {reference}" in done.stdout
        assert "secret" not in json.dumps(tools(folder))


def test_names_invalid_in_python_or_for_providers_get_aliases(gym: Gym, tmp_path: Path) -> None:
    names = ["from", "class", "item-id", "db", "context", "item_id", "a b", "ü"]
    query = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names]
    paths = {
        "/a": {"get": operation(operationId="shop/list items", parameters=query)},
        "/b": {"get": operation(operationId="shop_list_items"), "post": operation(operationId="import")},
        "/c": {"get": operation(operationId="x" * 90), "post": operation(operationId="9lives")},
        "/d/{id}": {"get": operation(operationId="zurückÄndern"), "put": operation(operationId="更新")},
    }
    imported(tmp_path, document(paths))
    made = tools(tmp_path)
    known = ["shop_list_items", "shop_list_items_2", "import", "x" * 64, "call_9lives", "zur_ck_ndern", "put_d_id"]
    assert list(made) == known
    assert len({entry.get("alias", name) for name, entry in made["shop_list_items"]["parameters"].items()}) == len(
        names
    )
    unwritten_only(gym, tmp_path, 7)


def test_anchors_of_yaml_are_followed(gym: Gym, tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(ANCHORS, encoding="utf-8")
    done = in_process("new", "corner_shop", "--from-openapi", tmp_path / "shop.yaml", "--dir", tmp_path)
    assert done.returncode == 0, done.stderr
    made = tools(tmp_path)
    assert made["get_it"]["parameters"] == made["delete_it"]["parameters"] == {"id": {"type": "string"}}
    unwritten_only(gym, tmp_path, 2)


def test_a_schema_that_cannot_be_used_is_left_out(gym: Gym, tmp_path: Path) -> None:
    query = [
        {"name": "code", "in": "query", "schema": {"type": "string", "pattern": "(?=x)y"}},
    ]
    done = imported(tmp_path, document({"/a": {"get": operation(operationId="a", parameters=query)}}))
    assert "left out: parts of schemas that cannot be used: a.code: " in done.stdout
    assert tools(tmp_path)["a"]["parameters"]["code"] == {"type": "string", "optional": True}
    unwritten_only(gym, tmp_path, 1)


def test_a_document_may_have_a_thousand_operations(gym: Gym, tmp_path: Path) -> None:
    paths = {f"/things/{n}": {"get": operation(operationId=f"get{n}")} for n in range(1000)}
    done = imported(tmp_path, document(paths))
    assert "imported: 1000 tools, 0 records" in done.stdout
    assert "guessed: missing descriptions of operations: GET /things/0, " in done.stdout
    assert len(done.stdout) < 2000
    unwritten_only(gym, tmp_path, 1000)


def test_text_in_a_document_cannot_become_code(gym: Gym, tmp_path: Path) -> None:
    nasty = '"""\nimport os; os.abort()\n"""\\'
    enum = {"type": "string", "enum": ['"] ; import os', "\\", "\n"]}
    paths = {
        "/a": {
            "get": operation(
                operationId="a",
                summary=nasty,
                tags=['x"""\ny'],
                parameters=[{"name": "e", "in": "query", "schema": enum}],
            )
        }
    }
    record = {"type": "object", "description": nasty, "properties": {"id; import os": {}, "copy": {}, "ok": enum}}
    imported(tmp_path, document(paths, Thing=record))
    unwritten_only(gym, tmp_path, 1)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({}, "it does not say which version it is"),
        ([], "it does not say which version it is"),
        ({"swagger": "2.0"}, "it says '2.0'"),
        ({"openapi": "4.0.0"}, "it says '4.0.0'"),
        ({"openapi": "3.1.0"}, "it has no `paths`"),
        (document({}), "none of its operations can become a tool"),
        (document({"/a": {"get": operation(parameters="many")}}), "none of its operations can become a tool"),
    ],
)
def test_documents_that_are_not_openapi_are_refused(tmp_path: Path, content: Any, told: str) -> None:
    done = imported(tmp_path, content)
    assert (done.returncode, told in done.stderr) == (2, True), done.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["shop.json"]


@pytest.mark.parametrize("text", ["{", "\x00", "a: [", "a: &a [*a]\nopenapi: 3.1.0\npaths: {/x: *a}\n"])
def test_files_that_cannot_be_parsed_are_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text(text, encoding="utf-8")
    done = in_process("new", "corner_shop", "--dir", tmp_path, "--from-openapi", file)
    assert (done.returncode, done.stderr.startswith("error: --from-openapi ")) == (2, True), done.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["shop.yaml"]


def test_sources_exclude_each_other(tmp_path: Path) -> None:
    done = imported(tmp_path, SHOP, "--minimal")
    assert (done.returncode, "exclude each other" in done.stderr) == (2, True)
