"""`tau2-gym check`: content that loads but is probably unintended, names and schemas that fail only in use."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.bakery import FILES, in_process, write_bakery

ODD = """
loaves:
  L1: {loaf_id: L1, title: Rye, left: 4, colour: brown}
  L2: {loaf_id: L3, title: Spelt, left: 2, colour: pale}
  L4: {loaf_id: L4, title: White}
"""


class TestData:
    def test_dropped_keys_and_differing_ids_give_warnings(self, tmp_path: Path) -> None:
        pack = write_bakery(tmp_path / "bakery", {"data/db.yaml": ODD})
        done = in_process("check", "--pack", pack)
        file = pack / "data" / "db.yaml"
        keys, ids, state = done.stdout.splitlines()
        told = "loaves.L1.colour: Loaf has no field 'colour', so it is ignored (and 1 more like it)"
        assert keys.startswith(f"warning: bakery: {file}:2: {told}")
        assert ids.startswith(
            f"warning: bakery: {file}:3: loaves.L2.loaf_id: the record's id is 'L3', but its key is 'L2'"
        )
        assert (done.returncode, state) == (0, "bakery: 2 warnings (1 tools, 1 tasks, 1 played)")
        assert in_process("check", "--pack", pack, "--strict").returncode == 1
        found = json.loads(in_process("check", "--pack", pack, "--json").stdout)
        assert [each["line"] for each in found["warnings"]] == [2, 3]

    def test_tables_within_records_and_numbers_as_ids(self, tmp_path: Path) -> None:
        models = FILES["models.py"].replace(
            "sliced: bool = False", "sliced: bool = False\n    cuts: dict[str, Cut] = {}"
        )
        models = models.replace("class Loaf", "class Cut(Record):\n    id: int\n\nclass Loaf")
        data = FILES["data/db.yaml"].replace("left: 4", 'left: 4, cuts: {"1": {id: 1}, "2": {id: 3}}')
        pack = write_bakery(tmp_path / "bakery", {"models.py": models, "data/db.yaml": data})
        place = f"warning: bakery: {pack / 'data' / 'db.yaml'}:2: loaves.L1.cuts.2.id: "
        assert f"{place}the record's id is 3, but its key is '2'" in in_process("check", "--pack", pack).stdout

    def test_declared_exceptions_give_no_warnings(self, tmp_path: Path) -> None:
        more = "data: data/db.yaml, unchecked: ['loaves.*.colour', loaves.L2.loaf_id]"
        manifest = FILES["domain.yaml"].replace("data: data/db.yaml", more)
        pack = write_bakery(tmp_path / "bakery", {"data/db.yaml": ODD, "domain.yaml": manifest})
        assert in_process("check", "--pack", pack).stdout == "bakery: clean (1 tools, 1 tasks, 1 played)\n"

    def test_initial_data_of_a_task(self, tmp_path: Path) -> None:
        data = "{loaves: {L1: {colour: x, sliced: on}, L8: {loaf_id: L9, title: x}}}"
        state = f"  initial_state:\n    initialization_data:\n      agent_data: {data}\n"
        tasks = FILES["data/tasks/selling.yaml"].replace("  outcome", f"{state}  outcome")
        done = in_process("check", "--pack", write_bakery(tmp_path / "bakery", {"data/tasks/selling.yaml": tasks}))
        assert "selling.yaml:4: task 'buy': loaves.L1.colour: Loaf has no such field, so it is ignored" in done.stdout
        told = "selling.yaml:4: task 'buy': loaves.L8.loaf_id: the record's id is 'L9', but its key is 'L8'"
        assert told in done.stdout
        assert "selling.yaml:4: task 'buy': loaves.L1.sliced: should be true or false, not 'on'" in done.stdout
        assert done.returncode == 1

    def test_a_yes_instead_of_true_is_a_problem(self, tmp_path: Path) -> None:
        tools = FILES["tools/agent.yaml"].replace("kind: write", "kind: write\n  transfers: yes")
        done = in_process("check", "--pack", write_bakery(tmp_path / "bakery", {"tools/agent.yaml": tools}))
        assert "agent.yaml:4: sell.transfers: should be true or false, not 'yes'" in done.stdout
        assert done.returncode == 1


class TestNames:
    @pytest.mark.parametrize(
        ("handler", "told"),
        [
            ("counter:sel", "sell: handlers/counter.py has no function 'sel' (did you mean 'sell'?) [T2G013]"),
            ("countr:sell", "sell: there is no handlers/countr.py (did you mean 'counter'?) [T2G013]"),
        ],
    )
    def test_a_misspelt_handler_is_one_problem(self, tmp_path: Path, handler: str, told: str) -> None:
        tools = FILES["tools/agent.yaml"].replace("counter:sell", handler)
        rules = "- {name: once, rule: Ask first., tools: [sell], confirmed: true}\n"
        manifest = f"{FILES['domain.yaml']}evaluation: {{policy_checks: rules.yaml}}\n"
        changed: dict[str, str | bytes] = {"tools/agent.yaml": tools, "rules.yaml": rules, "domain.yaml": manifest}
        pack = write_bakery(tmp_path / "bakery", changed)
        done = in_process("check", "--pack", pack)
        problem, state = done.stdout.splitlines()
        assert problem == f"bakery: {pack / 'tools' / 'agent.yaml'}:4: {told}"
        assert state.startswith("bakery: 1 problem ")

    def test_a_misspelt_model(self, tmp_path: Path) -> None:
        manifest = FILES["domain.yaml"].replace("models:BakeryDB", "models:BakeryBD")
        done = in_process("check", "--pack", write_bakery(tmp_path / "bakery", {"domain.yaml": manifest}))
        assert "domain.yaml:4: model 'models:BakeryBD': AttributeError: there is no 'BakeryBD' in it " in done.stdout
        assert "did you mean 'BakeryDB'?" in done.stdout

    def test_a_pool_of_ids_that_is_not_declared(self, tmp_path: Path) -> None:
        handlers = FILES["handlers/counter.py"].replace("loaf_id: str)", "loaf_id: str, context: Context)")
        handlers = handlers.replace("import ToolError", "import Context, ToolError")
        handlers = handlers.replace("    loaf.left", '    context.free_id("order", {})\n    loaf.left')
        pack = write_bakery(tmp_path / "bakery", {"handlers/counter.py": handlers})
        done = in_process("check", "--pack", pack)
        place = f"{pack / 'handlers' / 'counter.py'}:9: "
        hint = f"declare it under `ids` in {pack / 'domain.yaml'}:6; did you mean 'orders'?"
        assert done.stdout.splitlines()[0] == f"bakery: {place}there is no pool of ids 'order' ({hint}) [T2G022]"
        assert done.stdout.splitlines()[1].startswith("bakery: 1 problem ")

    @pytest.mark.parametrize("name", ["s" * 65, "продать", "sell item", "sell.item", "9lives", "-sell", "séll", ""])
    def test_tool_names_not_accepted_by_all_providers_give_warnings(self, tmp_path: Path, name: str) -> None:
        tools = FILES["tools/agent.yaml"].replace("sell:", f"'{name}':", 1)
        tasks = FILES["data/tasks/selling.yaml"].replace("name: sell", f"name: '{name}'")
        pack = write_bakery(tmp_path / "bakery", {"tools/agent.yaml": tools, "data/tasks/selling.yaml": tasks})
        done = in_process("check", "--pack", pack)
        problem = done.stdout.splitlines()[0]
        assert (
            f"{pack / 'tools' / 'agent.yaml'}:1: {name!r} is not accepted by all model providers as the name" in problem
        )
        assert "letters A to Z, digits, `_` and `-`, up to 64" in problem
        assert done.returncode == 1

    @pytest.mark.parametrize("name", ["sell-item", "s" * 64, "_sell", "Sell2"])
    def test_tool_names_accepted_by_all_providers_are_clean(self, tmp_path: Path, name: str) -> None:
        tools = FILES["tools/agent.yaml"].replace("sell:", f"{name}:", 1)
        tasks = FILES["data/tasks/selling.yaml"].replace("name: sell", f"name: {name}")
        pack = write_bakery(tmp_path / "bakery", {"tools/agent.yaml": tools, "data/tasks/selling.yaml": tasks})
        assert in_process("check", "--pack", pack).stdout == "bakery: clean (1 tools, 1 tasks, 1 played)\n"


@pytest.mark.parametrize(("before", "after"), [("def sell", "async def sell"), ("loaf.left -= 1", "yield loaf")])
def test_a_handler_that_is_not_a_plain_function(tmp_path: Path, before: str, after: str) -> None:
    handlers = FILES["handlers/counter.py"].replace(before, after)
    done = in_process("check", "--pack", write_bakery(tmp_path / "bakery", {"handlers/counter.py": handlers}))
    told = "counter.py:5: sell: a handler should be a plain function, neither `async def` nor with `yield`"
    assert (done.returncode, told in done.stdout) == (1, True), done.stdout


class TestSchemas:
    @pytest.mark.parametrize(
        ("schema", "told"),
        [
            ('{$ref: "other.json"}', "sell.loaf_id.$ref: $ref 'other.json' leads out of the schema"),
            ('{$ref: "file:///etc/hostname"}', "leads out of the schema"),
            ('{$ref: "#/$defs/loaf"}', "sell.loaf_id.$ref: $ref '#/$defs/loaf' leads nowhere"),
            ('{type: string, pattern: "["}', "sell.loaf_id.pattern: pattern '[' is not a valid regular expression"),
            ('{type: string, pattern: "^(?=a)(a|a)+$"}', "has look-around, a back reference or too many repetitions"),
            ('{type: object, patternProperties: {"^(.+)\\\\1$": {}}}', "has look-around, a back reference"),
            ("{type: strng}", "sell.loaf_id.type: not a JSON schema: "),
        ],
    )
    def test_a_schema_that_cannot_be_used(self, tmp_path: Path, schema: str, told: str) -> None:
        tools = FILES["tools/agent.yaml"].replace("{type: string}", schema)
        done = in_process("check", "--pack", write_bakery(tmp_path / "bakery", {"tools/agent.yaml": tools}))
        assert (done.returncode, "agent.yaml:6: " in done.stdout, told in done.stdout) == (1, True, True), done.stdout

    def test_a_reference_within_the_schema_is_followed(self, tmp_path: Path) -> None:
        schema = '{anyOf: [{$ref: "#/properties/loaf_id/$defs/code"}], $defs: {code: {type: string}}}'
        tools = FILES["tools/agent.yaml"].replace("{type: string}", schema)
        done = in_process("check", "--pack", write_bakery(tmp_path / "bakery", {"tools/agent.yaml": tools}))
        assert done.returncode == 0, done.stdout

    def test_nothing_is_fetched(self, tmp_path: Path) -> None:
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)

        with HTTPServer(("127.0.0.1", 0), Handler) as server:
            Thread(target=server.serve_forever, daemon=True).start()
            address = f"http://127.0.0.1:{server.server_address[1]}/id.json"
            for schema in (f'{{$ref: "{address}"}}', f'{{$schema: "{address}"}}', f'{{$id: "{address}", $ref: "x"}}'):
                tools = FILES["tools/agent.yaml"].replace("{type: string}", schema)
                in_process("check", "--pack", write_bakery(tmp_path / "bakery", {"tools/agent.yaml": tools}))
            server.shutdown()
        assert asked == []


def test_results_that_differ_from_process_to_process(tmp_path: Path) -> None:
    """Each tool is called in a task of its own."""
    results = {
        "hash": "str(hash(loaf.title))",
        "set": "', '.join({'a', 'b', 'c', loaf.title})",
        "id": "str(id(loaf))",
        "time": "str(__import__('time').time_ns())",
        "uuid": "__import__('uuid').uuid4().hex",
    }
    changed = dict.fromkeys(("tools/agent.yaml", "data/tasks/selling.yaml", "handlers/counter.py"), "")
    for name, result in results.items():
        handler = FILES["handlers/counter.py"].replace("-> Loaf", "-> str").replace("return loaf", f"return {result}")
        changed[f"handlers/{name}.py"] = handler
        tool = FILES["tools/agent.yaml"].replace("sell:\n", f"{name}:\n", 1)
        changed["tools/agent.yaml"] += tool.replace("counter:", f"{name}:")
        task = FILES["data/tasks/selling.yaml"].replace("id: buy", f"id: buy_{name}")
        changed["data/tasks/selling.yaml"] += task.replace("name: sell", f"name: {name}")
    changed["data/splits.yaml"] = f"base: [{', '.join(f'buy_{name}' for name in results)}]"
    pack = write_bakery(tmp_path / "bakery", changed)
    done = in_process("check", "--pack", pack)
    for name in results:
        place = f"{pack / 'handlers' / name}.py:5: "
        assert f"bakery: {place}tool '{name}' is not reproducible: in different processes it gives " in done.stdout
    assert done.returncode == 1


def test_a_set_that_does_not_affect_results_is_clean(tmp_path: Path) -> None:
    handlers = FILES["handlers/counter.py"].replace("loaf is None", "loaf_id not in {*db.loaves} or loaf is None")
    done = in_process("check", "--pack", write_bakery(tmp_path / "bakery", {"handlers/counter.py": handlers}))
    assert done.stdout == "bakery: clean (1 tools, 1 tasks, 1 played)\n"


def test_reading_a_file_outside_the_pack_is_reported(tmp_path: Path) -> None:
    prices = tmp_path / "prices.csv"
    prices.write_text("L1,4")
    reading = f"    __import__('pathlib').Path({str(prices)!r}).read_text()\n    loaf.left"
    handlers = FILES["handlers/counter.py"].replace("    loaf.left", reading)
    pack = write_bakery(tmp_path / "bakery", {"handlers/counter.py": handlers})
    done = in_process("check", "--pack", pack)
    told = f"bakery: {pack / 'domain.yaml'}:1: its code reads {prices}, which is not part of any digest"
    assert (done.returncode, told in done.stdout) == (1, True), done.stdout
    (pack / "prices.csv").write_text("L1,4")
    own = handlers.replace(repr(str(prices)), "__file__, '..', '..', 'prices.csv'")
    (pack / "handlers" / "counter.py").write_text(own.replace(").read_text", ").resolve().read_text"))
    assert in_process("check", "--pack", pack).returncode == 0
