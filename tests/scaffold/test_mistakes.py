"""Typical mistakes in a pack: each is one message, with file, line, code and what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.bakery import in_process

Gym = Callable[..., CompletedProcess[str]]


@dataclass(frozen=True)
class Mistake:
    """An edit of a new pack (`old` "": append), the code of the one message, and what stands in the line it names."""

    file: str
    old: str
    new: str
    code: str
    at: str
    told: str
    where: str = ""


TOOLS, DOMAIN, TASKS, SPLITS = "tools/agent.yaml", "domain.yaml", "data/tasks/bookings.yaml", "data/splits.yaml"
DATA, HANDLERS, MODELS = "data/db.yaml", "handlers/bookings.py", "models.py"
MISTAKES = {
    "a handler is misspelt": Mistake(
        TOOLS, "bookings:cancel_booking", "bookings:cancel_bookin", "T2G013", "cancel_bookin", "did you mean"
    ),
    "a module of handlers is misspelt": Mistake(
        TOOLS, "bookings:get_booking", "booking:get_booking", "T2G013", "booking:get_booking", "did you mean 'bookings'"
    ),
    "the indentation is wrong": Mistake(
        TOOLS, "  kind: write\n", "    kind: write\n", "T2G001", "    kind: write", "indentation"
    ),
    "a tab indents": Mistake(TOOLS, "  kind: write\n", "\tkind: write\n", "T2G001", "\tkind: write", "spaces"),
    "a type differs from the handler's": Mistake(
        TOOLS,
        "summary: {type: string",
        "summary: {type: integer",
        "T2G019",
        "summary: {type: integer",
        "YAML says integer, the handler string",
    ),
    "a type is none": Mistake(
        TOOLS, "summary: {type: string", "summary: {type: text", "T2G012", "summary: {type: text", "not a JSON schema"
    ),
    "a kind is none": Mistake(TOOLS, "kind: generic", "kind: other", "T2G007", "kind: other", "'read', 'write'"),
    "a key of a tool is misspelt": Mistake(
        TOOLS, "description: Cancel", "descripton: Cancel", "T2G005", "descripton", "did you mean 'description'"
    ),
    "a tool has no description": Mistake(
        TOOLS, "  description: Look up one booking.\n", "", "T2G006", "get_booking:", "description: Field required"
    ),
    "a parameter is not the handler's": Mistake(
        TOOLS, "summary: {type", "reason: {type", "T2G017", "reason: {type", "did you mean 'summary'"
    ),
    "a parameter is missing": Mistake(
        TOOLS,
        "  parameters:\n    summary: {type: string, description: What the customer wants and what was done.}\n",
        "",
        "T2G017",
        "def transfer_to_human_agents",
        "'summary' is not in the YAML",
        "handlers/transfer.py",
    ),
    "a gold call names an unknown tool": Mistake(
        TASKS, "{name: cancel_booking,", "{name: cancel_bookng,", "T2G040", "cancel_bookng", "did you mean"
    ),
    "a gold call has an unknown argument": Mistake(
        TASKS,
        "{name: cancel_booking, arguments: {booking_id: B-1001}}",
        "{name: cancel_booking, arguments: {id: B-1001}}",
        "T2G042",
        "{id: B-1001}",
        "booking_id",
    ),
    "a gold call names an id that there is not": Mistake(
        TASKS,
        "{name: cancel_booking, arguments: {booking_id: B-1001}}",
        "{name: cancel_booking, arguments: {booking_id: B-1009}}",
        "T2G048",
        "B-1009",
        "there is no booking 'B-1009'",
    ),
    "a name in a prompt is undefined": Mistake(
        "prompts/policy.md.j2", "{{ now.str", "{{ today.str", "T2G034", "today", "'today' is undefined"
    ),
    "a template is not closed": Mistake(
        "prompts/policy.md.j2", "", "{% if solo %}\n", "T2G034", "{% if solo %}", "endif"
    ),
    "a key occurs twice": Mistake(
        TOOLS, "", "\ntransfer_to_human_agents: 5 # again\n", "T2G003", "# again", "occurs twice here"
    ),
    "a task id is used twice": Mistake(
        TASKS, "- id: refuse_on_the_day", "- id: cancel_next_week # again", "T2G046", "# again", "occurs twice"
    ),
    "a task is in no split": Mistake(
        SPLITS,
        "[refuse_on_the_day, transfer_another_day]",
        "[refuse_on_the_day]",
        "T2G060",
        "- id: transfer_another_day",
        "name it in splits.yaml",
        TASKS,
    ),
    "a split misspells a task": Mistake(
        SPLITS, "transfer_another_day", "transfer_anothr_day", "T2G061", "transfer_anothr_day", "did you mean"
    ),
    "a field of a record is misspelt in the data": Mistake(
        DATA,
        "customer: Alan",
        "custommer: Alan",
        "T2G031",
        "custommer: Alan",
        "is it 'custommer' that should be 'customer'",
    ),
    "a value in the data is not allowed": Mistake(
        DATA, "day: 2025-03-12, status: booked", "day: 2025-03-12, status: open", "T2G031", "status: open", "'booked'"
    ),
    "no tool transfers": Mistake(
        TOOLS,
        "  transfers: true # this tool hands the customer over\n",
        "",
        "T2G051",
        "outcome: transferred",
        "transfers: true",
        TASKS,
    ),
    "a file is not there": Mistake(
        DOMAIN, "data/db.yaml", "data/database.yaml", "T2G002", "data/database.yaml", "there is no file"
    ),
    "a model is misspelt": Mistake(
        DOMAIN, "models:BikeShopDB", "models:BikeShpDB", "T2G030", "BikeShpDB", "did you mean 'BikeShopDB'"
    ),
    "a handler writes, and its tool reads": Mistake(
        TOOLS, "kind: write", "kind: read", "T2G050", "cancel_booking:", "declare it `kind: write`"
    ),
    "a handler has a syntax error": Mistake(
        HANDLERS,
        "    booking = _find(db, booking_id)\n",
        "    booking = _find(db, booking_id\n",
        "T2G015",
        "booking = _find(db, booking_id",
        "never closed",
    ),
    "a handler imports what there is not": Mistake(
        HANDLERS, "import Booking, BikeShopDB", "import Bookin, BikeShopDB", "T2G015", "import Bookin,", "Bookin"
    ),
    "a handler has no colon": Mistake(
        TOOLS,
        "bookings:get_booking",
        "bookings.get_booking",
        "T2G007",
        "bookings.get_booking",
        "should be `module:function`",
    ),
    "a key that transfers is misspelt": Mistake(
        TOOLS, "transfers: true", "transfer: true", "T2G005", "transfer: true", "did you mean 'transfers'"
    ),
    "two tools transfer": Mistake(
        TOOLS, "  kind: read", "  transfers: true\n  kind: read", "T2G021", "transfer_to_human_agents:", "a second tool"
    ),
    "a pattern matches no task file": Mistake(
        DOMAIN, "data/tasks/", "data/task/", "T2G002", "data/task/", "no task file matches"
    ),
    "the file of the splits is not there": Mistake(
        DOMAIN, "splits.yaml", "split.yaml", "T2G002", "data/split.yaml", "create the file, or correct the path"
    ),
    "a task has no id": Mistake(
        TASKS, "- id: cancel_next_week\n ", "-", "T2G006", "outcome: done", "id: Field required"
    ),
    "a model has a syntax error": Mistake(
        MODELS, "class BikeShopDB(Database):", "class BikeShopDB(Database)", "T2G015", "BikeShopDB", "expected ':'"
    ),
    "a model imports what there is not": Mistake(
        MODELS, "import Database, Record", "import Databse, Record", "T2G015", "Databse", "cannot import name"
    ),
    "a model uses an unknown name": Mistake(
        MODELS, "dict[str, Booking]", "dict[str, Bookng]", "T2G015", "Bookng", "'Bookng' is not defined"
    ),
    "a context is not annotated": Mistake(
        HANDLERS,
        "def get_booking(db: BikeShopDB, booking_id: str)",
        "def get_booking(db: BikeShopDB, booking_id: str, context)",
        "T2G017",
        "def get_booking(",
        "annotate it: `context: Context`",
    ),
    "a handler fails in every task": Mistake(
        HANDLERS,
        "    return _find(db, booking_id)",
        "    return {1, 2}",
        "T2G048",
        "name: get_booking",
        "a handler returned a set",
        TASKS,
    ),
    "an outcome is misspelt": Mistake(
        TASKS, "outcome: refused", "outcome: refusd", "T2G007", "outcome: refusd", "'refused'"
    ),
    "a task has an unknown key": Mistake(
        TASKS,
        "reward_basis: [DB, ACTION]",
        "reward_bases: [DB, ACTION]",
        "T2G005",
        "reward_bases",
        "transfer_another_day.evaluation_criteria.reward_bases: there is no such key (did you mean 'reward_basis'?",
    ),
    "a tool has a name that providers refuse": Mistake(
        TOOLS, "get_booking:\n", "get.booking:\n", "T2G011", "get.booking:", "is not accepted by all model providers"
    ),
    "a record's key is misspelt, so that a gold call fails": Mistake(
        DATA, "  B-1001:", "  B-1011:", "T2G033", "B-1011:", "the record's id is 'B-1001', but its key is 'B-1011'"
    ),
    "a handler writes a value that the model does not allow": Mistake(
        HANDLERS,
        '    booking.status = "cancelled"',
        '    booking.status = "canceled"',
        "T2G054",
        "def cancel_booking(",
        "Input should be 'booked' or 'cancelled', not 'canceled'",
    ),
    "a template includes what there is not": Mistake(
        "prompts/policy.md.j2", "", '{% include "hours.md.j2" %}\n', "T2G034", "hours.md.j2", "there is no template"
    ),
    "a criterion has nothing to grade": Mistake(
        TASKS,
        "reward_basis: [DB, ACTION]",
        "reward_basis: [DB, ENV_ASSERTION]",
        "T2G044",
        "ENV_ASSERTION",
        "specifies nothing for it",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_gives_one_message(gym: Gym, tmp_path: Path, name: str) -> None:
    mistake, pack = MISTAKES[name], tmp_path / "bike_shop"
    in_process("new", "bike_shop", "--dir", tmp_path)
    file = pack / mistake.file
    text = file.read_text(encoding="utf-8")
    assert not mistake.old or text.count(mistake.old) == 1 or mistake.old == "kind: write"
    file.write_text(text.replace(mistake.old, mistake.new, 1) if mistake.old else text + mistake.new, encoding="utf-8")
    done = gym("check", "--pack", pack, "--json")
    report = json.loads(done.stdout)
    told = report["problems"] + report["warnings"]
    assert [(row["code"], row["file"]) for row in told] == [
        (mistake.code, str(pack / (mistake.where or mistake.file)))
    ], done.stdout
    (row,) = told
    line = Path(row["file"]).read_text(encoding="utf-8").splitlines()[row["line"] - 1]
    assert mistake.at in f"{line}\n"
    assert mistake.told in f"{row['message']} ({row['hint']})"
