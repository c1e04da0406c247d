"""`tau2-gym check` reads packs and data in all usual forms and formats alike, or refuses them with the line."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tau2_core.packs.folder_domain import folder_domain
from tau2_core.packs.json_source import JsonParser
from tau2_core.packs.load import open_pack
from tau2_core.packs.source_error import SourceError

from tests.bakery import FILES, forget_packs, in_process, write_bakery, write_files

Gym = Callable[..., CompletedProcess[str]]
MARK = b"\xef\xbb\xbf"
ROWS = {"L1": {"loaf_id": "L1", "title": "Rye", "left": 4}, "L2": {"loaf_id": "L2", "title": "Spelt"}}
TASK = {
    "id": "buy",
    "outcome": "done",
    "user_scenario": {"instructions": "You want a rye loaf \N{BREAD}, L1."},
    "evaluation_criteria": {"actions": [{"name": "sell", "arguments": {"loaf_id": "L1"}}]},
}


def with_data(name: str, text: str | bytes) -> dict[str, str | bytes]:
    return {"domain.yaml": FILES["domain.yaml"].replace("data/db.yaml", name), name: text}


def clean(pack: Path) -> None:
    done = in_process("check", "--pack", pack)
    assert (done.returncode, done.stdout) == (0, "bakery: clean (1 tools, 1 tasks, 1 played)\n"), done.stderr


@pytest.mark.parametrize(
    "changed",
    [
        {name: MARK + text.lstrip("\n").encode() for name, text in FILES.items() if text},
        with_data("data/db.json", MARK + json.dumps({"loaves": ROWS}).encode()),
        with_data("data/db.toml", MARK + b'[loaves.L1]\nloaf_id = "L1"\ntitle = "Rye"\nleft = 4\n'),
    ],
    ids=["all", "json", "toml"],
)
def test_a_byte_order_mark_is_ignored(tmp_path: Path, changed: dict[str, str | bytes]) -> None:
    clean(write_bakery(tmp_path / "bakery", changed))


LEFT_BEHIND = ("._{}", ".{}.swp", "{}~", ".ipynb_checkpoints/{}", "#{}#", "{}.bak", "{}.orig")


def test_files_of_systems_and_editors_are_ignored(tmp_path: Path) -> None:
    pack = write_bakery(tmp_path / "bakery")
    for name in ("handlers/counter.py", "data/tasks/selling.yaml", "tools/agent.yaml"):
        folder, _, own = name.rpartition("/")
        write_files(pack / folder, {form.format(own): b"\x00\x05\x16\x07" for form in LEFT_BEHIND})
        write_files(pack / folder, {".DS_Store": b"\x00", "Thumbs.db": b"\x00"})
    clean(pack)


@pytest.mark.parametrize("suffix", ["json", "yaml"])
@pytest.mark.parametrize("indent", [None, 2, "\t"], ids=["line", "spaces", "tabs"])
def test_tasks_written_by_json_dumps_are_read(tmp_path: Path, suffix: str, indent: int | str | None) -> None:
    if suffix == "yaml" and indent == "\t":
        pytest.skip("YAML has no tabs")
    pack = write_bakery(tmp_path / "bakery", {f"data/tasks/t.{suffix}": json.dumps([TASK], indent=indent)})
    if suffix == "json":
        (pack / "data" / "tasks" / "selling.yaml").unlink()
    else:
        (pack / "data" / "tasks" / "t.yaml").rename(pack / "data" / "tasks" / "selling.yaml")
    clean(pack)
    shown = in_process("run", "bakery", "--pack", pack, "--out", tmp_path / "runs", "--name", "a", "--agent", "silent")
    assert shown.returncode == 0, shown.stderr
    tasks = (tmp_path / "runs" / "a" / "tasks.jsonl").read_text(encoding="utf-8")
    assert json.loads(tasks)["user_scenario"]["instructions"] == TASK["user_scenario"]["instructions"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("name", "text", "line", "told"),
    [
        ("db.json", '{"loaves": {},\n "loaves": {}}', 2, "not JSON: 'loaves' occurs twice here, first in line 1"),
        ("db.json", '{"loaves": {"L1": {"loaf_id": "L1",\n"title": "x", "price": NaN}}}', 2, "NaN is not a JSON value"),
        ("db.json", '{"loaves":\n {"L1": {"price": -Infinity}}}', 2, "-Infinity is not a JSON value"),
        ("db.json", '{"loaves":\n\n {"L1": {"price": 1e400}}}', 3, "1e400 is too large for a number"),
        ("db.json", '{"loaves":\n {"L1": {"title": "\\ud83d"}}}', 2, "a lone surrogate is not a character"),
        ("db.json", '{"loaves": {}\n}, 5', 2, "unexpected text after the value"),
        ("db.yaml", "loaves:\n  L1: {price: 1e400}\n", 2, "1e400 is too large for a number"),
        ("db.yaml", "loaves:\n  L1: {loaf_id: L1, title: x, price: .nan}\n", 2, "loaves.L1.price: "),
        ("db.yaml", "loaves:\n  L1: {loaf_id: L1, title: x, price: nan}\n", 2, "should be a number, not 'nan'"),
        ("db.yaml", "loaves:\n  L1: !!python/object:x.Y {}\n", 2, "the tag !!python/object:x.Y is not supported"),
        ("db.yaml", "loaves:\n  L1: !loaf {}\n", 2, "the tag !loaf is not supported"),
        ("db.yaml", "a: &a {}\nloaves:\n  <<: *a\n", 3, "merge keys (`<<`) are not supported"),
        ("db.yaml", "loaves: *no\n", 1, "`*` refers to an anchor that is not there"),
        ("db.yaml", "loaves: &a {}\nb: &a {}\n", 2, "there is another anchor `&a`; rename one of them"),
        ("db.yaml", "loaves:\n  L1: &a {b: *a}\n", 2, "an alias refers to something that contains it"),
        ("db.yaml", "loaves: {}\n---\nb: 1\n", 2, "a second document begins here"),
        ("db.yaml", "loaves:\n  L1: {title: yes: no}\n", 2, "L1: {title: yes: no}"),
        ("db.yaml", "loaves:\n\tL1: {}\n", 2, "indent with spaces"),
        ("db.yaml", "loaves: {}\nb: \x07\n", 2, "control character"),
        ("db.yaml", 'loaves: {}\nb: "x\n', 2, "a quoted text is not closed"),
        ("db.yaml", "loaves:\n  L1: {loaf_id: L1, title: x, sliced: yes}\n", 2, "should be true or false, not 'yes'"),
        ("db.yaml", "loaves:\n  L1: {loaf_id: L1, title: x, sliced: 1}\n", 2, "should be true or false, not 1"),
        ("db.yaml", "loaves:\n  L1: {loaf_id: L1, title: x, left: '4'}\n", 2, "should be a whole number, not '4'"),
        ("db.toml", "[loaves.L1]\nloaf_id = 'L1'\ntitle = 'x'\nprice = nan\n", None, "nan is not a finite number"),
        ("db.toml", "[loaves.L1]\nloaf_id = 'L1'\ntitle = 'x'\nsliced = 'on'\n", 4, "should be true or false"),
        ("db.toml", "[loaves]\n[loaves]\n", 2, "not TOML: "),
    ],
)
def test_damaged_data_files_are_refused(tmp_path: Path, name: str, text: str, line: int | None, told: str) -> None:
    pack = write_bakery(tmp_path / "bakery", with_data(f"data/{name}", text))
    for command in (("check",), ("run", "bakery")):
        done = in_process(*command, "--pack", pack)
        said = done.stdout + done.stderr
        place = f"{pack / 'data' / name}:{line}: " if line else f"{pack / 'data' / name}: "
        assert (done.returncode, place in said, told in said) == (1, True, True), said


class TestPlaces:
    def test_a_pack_behind_a_symlink_is_read(self, tmp_path: Path) -> None:
        """Either the link's name or the folder's is the package's name, whichever the code uses."""
        target = write_bakery(tmp_path / "versions" / "bakery-2.0")
        (tmp_path / "bakery").symlink_to(target)
        clean(tmp_path / "bakery")
        own = write_bakery(tmp_path / "own" / "bakery")
        (tmp_path / "current").symlink_to(own)
        clean(tmp_path / "current")

    @pytest.mark.parametrize("regular", [False, True], ids=["namespace", "regular"])
    def test_a_pack_within_another_package_is_read(self, tmp_path: Path, regular: bool) -> None:
        handlers = FILES["handlers/counter.py"].replace("bakery.models", "acme.bakery.models")
        pack = write_bakery(tmp_path / "p" / "src" / "acme" / "bakery", {"handlers/counter.py": handlers})
        if regular:
            (pack.parent / "__init__.py").touch()
        clean(tmp_path / "p")
        clean(pack)

    def test_several_packs_in_a_folder_are_refused(self, tmp_path: Path) -> None:
        for name in ("one", "two"):
            write_bakery(tmp_path / "p" / name / "bakery")
        done = in_process("check", "--pack", tmp_path / "p")
        assert (done.returncode, "it contains several packs; name one of " in done.stderr) == (2, True), done.stderr

    @pytest.mark.parametrize("entries", [False, True], ids=["files", "folders-too"])
    def test_an_installed_pack_in_a_zip_file_is_read(self, gym: Gym, tmp_path: Path, entries: bool) -> None:
        plugin = "from tau2_core import Domain, hookimpl\n\n@hookimpl\ndef tau2_environments():\n"
        plugin += "    return [Domain(name='bakery', package=__package__)]\n"
        pack = write_bakery(tmp_path / "src" / "bakery", {"plugin.py": plugin})
        archive = tmp_path / "bakery-1.0.zip"
        with zipfile.ZipFile(archive, "w") as file:
            for each in sorted(pack.rglob("*")):
                if each.is_file() or entries:
                    file.write(each, each.relative_to(tmp_path / "src"))
            file.writestr("bakery-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: bakery\nVersion: 1.0\n")
            file.writestr("bakery-1.0.dist-info/entry_points.txt", "[tau2_core]\nbakery = bakery.plugin\n")
        done = gym("check", "bakery", paths=[archive])
        assert (done.returncode, done.stdout) == (0, "bakery: clean (1 tools, 1 tasks, 1 played)\n"), done.stderr
        assert gym("run", "bakery", paths=[archive]).returncode == 0


def test_a_byte_order_mark_is_not_part_of_a_prompt(tmp_path: Path) -> None:
    pack = write_bakery(tmp_path / "bakery", {"prompts/policy.md.j2": MARK + b"You sell bread."})
    domain = folder_domain(pack)
    try:
        assert open_pack(domain).prompt("policy") == "You sell bread."
    finally:
        forget_packs()


# Texts of JSON: the output of `json.dumps` with one character changed, removed or inserted.
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(VALUES, st.booleans(), st.integers(0, 200), st.sampled_from(["", ",", "{", "]", '"', "1", "e", "\\", "\n", ":"]))
def test_json_is_read_as_python_reads_it(value: object, ascii_only: bool, at: int, sign: str) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert JsonParser(text).parse() == value
    for changed in (text[:at] + sign + text[at:], text[:at] + sign + text[at + 1 :]):
        try:
            wanted = json.loads(changed)
        except ValueError:
            with pytest.raises(SourceError):
                JsonParser(changed).parse()
            continue
        parser = JsonParser(changed)
        try:
            found = parser.parse()
        except SourceError as error:
            refused = str(error)
        else:
            assert found == wanted or parser.repeats
            continue
        # Python accepts values that JSON does not have
        assert re.search("too large|surrogate|JSON value|digits", refused)
