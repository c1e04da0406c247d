"""`tau2-gym new-tool`: a handler's signature and docstring become its YAML entry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tau2_core.packs.yaml_source import read_yaml

from tests.bakery import FILES, in_process, write_bakery

HANDLER = '''

def bake(
    db: BakeryDB,
    loaf_id: str,
    title: str,
    context: Context,
    kind: Literal["rye", "spelt"],
    from_: int = 4,
    tags: list[str] | None = None,
    extra: dict[str, float] | None = None,
) -> Loaf:
    """{doc}"""
    db.loaves[loaf_id] = Loaf(loaf_id=loaf_id, title=title)
    return db.loaves[loaf_id]


def count(db: BakeryDB) -> int:
    """Count the loaves."""
    return len(db.loaves)


def silent(db: BakeryDB) -> int:
    return 0
'''
GOOGLE = """Bake a loaf: one.

    It takes a while.

    Args:
        loaf_id: The id of the loaf,
            e.g. L7.
        from_: The hour.
    """
NUMPY = """Bake a loaf: one.

    It takes a while.

    Parameters
    ----------
    loaf_id : str
        The id of the loaf,
        e.g. L7.
    from_ : int
        The hour.
    """
ENTRY = {
    "description": "Bake a loaf: one.\nIt takes a while.",
    "kind": "write",
    "handler": "counter:bake",
    "parameters": {
        "loaf_id": {"type": "string", "description": "The id of the loaf, e.g. L7."},
        "title": {"type": "string"},
        "kind": {"type": "string", "enum": ["rye", "spelt"]},
        "from": {"type": "integer", "description": "The hour.", "alias": "from_", "optional": True},
        "tags": {"type": "array", "items": {"type": "string"}, "optional": True},
        "extra": {"type": "object", "additionalProperties": {"type": "number"}, "optional": True},
    },
}


def pack_with(folder: Path, doc: str = GOOGLE, tools: str = FILES["tools/agent.yaml"]) -> Path:
    head = FILES["handlers/counter.py"].replace("import ToolError", "import Context, ToolError")
    handlers = f"from typing import Literal\n{head}{HANDLER.replace('{doc}', doc)}"
    return write_bakery(folder / "bakery", {"handlers/counter.py": handlers, "tools/agent.yaml": tools})


def entries(pack: Path) -> dict[str, Any]:
    found: dict[str, Any] = read_yaml(pack / "tools" / "agent.yaml").value
    return found


@pytest.mark.parametrize("doc", [GOOGLE, NUMPY], ids=["google", "numpy"])
def test_an_entry_from_a_docstring(tmp_path: Path, doc: str) -> None:
    pack = pack_with(tmp_path, doc, FILES["tools/agent.yaml"] + "# the end\n")
    done = in_process("new-tool", pack, "handlers.counter:bake")
    first, *lacking = done.stdout.splitlines()
    assert first == f"{pack / 'tools' / 'agent.yaml'}:9: bake (kind write, by its code)"
    assert lacking == [
        f"parameter {name!r} has no description: write one in the YAML" for name in ("title", "kind", "tags", "extra")
    ]
    assert entries(pack)["bake"] == ENTRY
    assert "# the end" in (pack / "tools" / "agent.yaml").read_text(encoding="utf-8")
    told = in_process("check", "--pack", pack).stdout
    assert "'bake'" not in told
    assert "bake." not in told


def test_the_kind_can_be_given(tmp_path: Path) -> None:
    pack = pack_with(tmp_path)
    assert in_process("new-tool", pack, "counter:count").stdout.endswith("count (kind read, by its code)\n")
    in_process("new-tool", pack, "counter:bake", "--kind", "generic")
    assert {name: entry["kind"] for name, entry in entries(pack).items()} == {
        "sell": "write",
        "count": "read",
        "bake": "generic",
    }


def test_an_entry_is_added_to_a_file_without_entries(tmp_path: Path) -> None:
    pack = pack_with(tmp_path, tools="# a comment\n{}\n")
    in_process("new-tool", pack, "counter:count")
    assert (pack / "tools" / "agent.yaml").read_text(encoding="utf-8").startswith("# a comment\n\ncount:\n")
    assert list(entries(pack)) == ["count"]


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("counter:sell", "'sell' is already declared"),
        ("counter:bak", "has no public function 'bak' (did you mean 'bake'?)"),
        ("conter:bake", "there is no handlers/conter.py (did you mean 'counter'?)"),
        ("counter", "name it as module:function"),
        ("counter:silent", "has no docstring"),
        ("counter:Loaf", "has no public function 'Loaf'"),
    ],
)
def test_unsupported_handlers_are_refused(tmp_path: Path, target: str, told: str) -> None:
    pack = pack_with(tmp_path)
    before = (pack / "tools" / "agent.yaml").read_bytes()
    done = in_process("new-tool", pack, target)
    assert (done.returncode, told in done.stderr) == (2, True), done.stderr
    assert (pack / "tools" / "agent.yaml").read_bytes() == before
