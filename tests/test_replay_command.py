"""`tau2-gym replay`: recorded calls agree, and every mismatch is named with its path."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

Gym = Callable[..., CompletedProcess[str]]
Episode = dict[str, Any]

WRITTEN = '{"task_id": "task_5", "title": "Collect the posters", "description": null, "status": "completed"}'


def call(name: str, arguments: dict[str, Any], content: str | None, compare: str = "exact") -> dict[str, Any]:
    made = {"requestor": "assistant", "name": name, "arguments": arguments}
    return made | {"error": content is None, "content": content, "compare": compare}


@pytest.fixture
def own_episode() -> Episode:
    """Two calls in our own mock domain, as the official implementation would have recorded them."""
    assertion = {
        "env_type": "assistant",
        "func_name": "assert_task_status",
        "arguments": {"task_id": "task_5", "expected_status": "completed"},
        "assert_value": True,
        "met": True,
    }
    return {
        "id": "by-hand",
        "domain": "mock",
        "calls": [
            call("update_task_status", {"task_id": "task_5", "status": "completed"}, WRITTEN),
            call("update_task_status", {"task_id": "task_9", "status": "completed"}, None, "outcome"),
        ],
        "assertions": [assertion],
    }


def write(file: Path, *episodes: Episode) -> Path:
    file.write_text("".join(json.dumps(episode) + "\n" for episode in episodes), encoding="utf-8")
    return file


def test_calls_in_our_own_data_agree(gym: Gym, own_episode: Episode, tmp_path: Path) -> None:
    done = gym("replay", write(tmp_path / "own.jsonl", own_episode))
    assert (done.returncode, done.stdout, done.stderr) == (0, "episodes 1, calls 2, mismatches 0\n", "")


def test_every_kind_of_mismatch_is_named(gym: Gym, own_episode: Episode, tmp_path: Path) -> None:
    own_episode["calls"][0]["content"] = WRITTEN.replace("posters", "poster").replace("}", ', "extra": 1}')
    own_episode["calls"][1]["error"] = False
    own_episode["start_agent_db_hash"] = own_episode["user_db_hash"] = "0" * 64
    own_episode["assertions"][0]["met"] = "error"
    file = write(tmp_path / "own.jsonl", own_episode)
    done = gym("replay", file, file)
    *named, closing = done.stdout.splitlines()
    assert done.returncode == 1
    assert closing == "episodes 2, calls 4, mismatches 12"
    places = [
        "start_agent_db_hash: recorded '000",
        "calls[0](update_task_status).content.title: recorded 'Collect the poster', ours 'Collect the posters'",
        "calls[0](update_task_status).content.extra: recorded 1, ours (absent)",
        "calls[1](update_task_status).error: recorded False, ours \"True: Error: there is no task 'task_9'\"",
        "user_db_hash: recorded '000",
        "assertions[0](assert_task_status).met: recorded 'error', ours True",
    ]
    assert len(named) == 12
    for line, place in zip(named, places * 2, strict=True):
        assert line.startswith(f"{file}:1: by-hand: {place}")


def test_several_files_are_counted_together(gym: Gym, own_episode: Episode, tmp_path: Path) -> None:
    plain = write(tmp_path / "plain.jsonl", own_episode, own_episode)
    packed = tmp_path / "packed.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes(), mtime=0))
    done = gym("replay", plain, packed)
    assert (done.returncode, done.stdout) == (0, "episodes 4, calls 8, mismatches 0\n")


def test_a_file_without_episodes_is_named_and_the_others_count(gym: Gym, own_episode: Episode, tmp_path: Path) -> None:
    (empty := tmp_path / "empty.jsonl").write_text("\n")
    done = gym("replay", empty, write(tmp_path / "own.jsonl", own_episode))
    assert (done.returncode, done.stdout) == (0, "episodes 1, calls 2, mismatches 0\n")
    assert done.stderr == f"note: {empty} contains no recorded episode\n"


def test_messages_and_prose_are_compared_as_the_record_says(gym: Gym, own_episode: Episode, tmp_path: Path) -> None:
    transfer = call("transfer_to_human_agents", {"summary": "x"}, "Handed over.")
    own_episode["calls"] = [transfer, transfer | {"compare": "outcome"}]
    done = gym("replay", write(tmp_path / "own.jsonl", own_episode | {"assertions": []}))
    assert done.returncode == 1
    assert "calls[0](transfer_to_human_agents).content: recorded 'Handed over.'" in done.stdout
    assert done.stdout.endswith("mismatches 1\n")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("torn.jsonl", b'{"id": "a"', "torn.jsonl:1: not JSON"),
        (
            "wrong.jsonl",
            b'\n{"id": "a", "domain": "mock"}\n',
            "wrong.jsonl:2: not a recorded episode: calls: Field req",
        ),
        ("text.jsonl", b"\xff\xfe", "text.jsonl: "),
        ("short.jsonl.gz", gzip.compress(b"{}" * 99, mtime=0)[:-9], "short.jsonl.gz: Compressed file ended"),
        ("spoilt.jsonl.gz", gzip.compress(b"{}", mtime=0)[:10] + b"\xff" * 20, "spoilt.jsonl.gz: Error -3"),
        ("plain.jsonl.gz", b"{}", "plain.jsonl.gz: Not a gzipped file"),
        ("elsewhere.jsonl", b'{"id": "a", "domain": "mok", "calls": []}', "no domain 'mok' (did you mean 'mock'?)"),
    ],
)
def test_a_damaged_file_is_a_usage_error(gym: Gym, tmp_path: Path, name: str, content: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(content)
    done = gym("replay", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_file_is_a_usage_error(gym: Gym) -> None:
    done = gym("replay", "nothing.jsonl")
    told = (
        "error: cannot read nothing.jsonl: No such file or directory; give a .jsonl or .jsonl.gz file of recorded calls"
    )
    assert (done.returncode, done.stderr) == (2, f"{told}\n")


class TestRecordedCalls:
    @pytest.mark.parametrize(
        ("domain", "counts"),
        [("airline", "episodes 596, calls 5014"), ("mock", "episodes 451, calls 2263")],
    )
    def test_recorded_calls_agree(self, gym: Gym, shared: Path, domain: str, counts: str) -> None:
        file = shared / "conformance" / "calls" / f"{domain}.jsonl.gz"
        done = gym("replay", file, "--dataset", shared / "tau2-bench")
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{counts}, mismatches 0\n", "")

    @pytest.fixture
    def episode(self, shared: Path) -> Episode:
        """A recorded mock episode with assertions and a read of whole records."""
        with gzip.open(shared / "conformance" / "calls" / "mock.jsonl.gz", "rt") as lines:
            for line in lines:
                found: Episode = json.loads(line)
                if found["assertions"] and any(made["content"] and not made["error"] for made in found["calls"]):
                    return found
        raise AssertionError("no episode of that kind is recorded")

    def test_one_altered_value_is_one_mismatch(self, gym: Gym, shared: Path, tmp_path: Path, episode: Episode) -> None:
        index, made = next(
            (i, made) for i, made in enumerate(episode["calls"]) if made["content"] and not made["error"]
        )
        assertion = episode["assertions"][0]
        place = f"calls[{index}]({made['name']})"
        altered: dict[str, Episode] = {
            f"{place}.content": {
                "calls": [*episode["calls"][:index], made | {"content": '"altered"', "compare": "exact"}]
            },
            f"{place}.error": {"calls": [*episode["calls"][:index], made | {"error": True}]},
            "start_agent_db_hash": {"start_agent_db_hash": "f" * 64},
            f"assertions[0]({assertion['func_name']}).met": {
                "assertions": [assertion | {"met": not assertion["met"]}, *episode["assertions"][1:]]
            },
        }
        # Calls after the altered one are kept, so that the end state does not change.
        for change in altered.values():
            if "calls" in change:
                change["calls"] += episode["calls"][index + 1 :]
        file = write(tmp_path / "altered.jsonl", *(episode | change for change in altered.values()), episode)
        done = gym("replay", file, "--dataset", shared / "tau2-bench")
        *named, closing = done.stdout.splitlines()
        assert done.returncode == 1
        assert closing.startswith("episodes 5, calls ")
        assert closing.endswith(", mismatches 4")
        for number, (line, path) in enumerate(zip(named, altered, strict=True), 1):
            assert line.startswith(f"{file}:{number}: {episode['id']}: {path}")
