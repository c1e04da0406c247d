"""Token traces: every call's ids as the engine told them, the prefix rule, and rows for training."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tau2_core.cli.app import app
from tau2_core.episode.setting import Setting
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import Raw, Reply, say
from tau2_core.testing.token_template import DRIFT, ByteTemplate
from typer.testing import CliRunner

from .conftest import Played, models_of

Play = Callable[..., Played]
MODELS = models_of("endpoint")
TASK = ("--task", "settle_a_reminder", "--token-traces")
pytestmark = pytest.mark.domain("mock", "telecom")


def export(folder: Path, file: Path) -> Any:
    return CliRunner().invoke(app, ["export", str(folder), str(file), "--to", "tokens"])


def rows_of(played: Played) -> list[dict[str, Any]]:
    file = played.folder / "rows.jsonl"
    done = export(played.folder, file)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in file.read_text().splitlines()]


def of(rows: list[dict[str, Any]], role: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["role"] == role]


def test_a_sequence_equals_the_tokens_of_the_engine(play: Play) -> None:
    template = ByteTemplate()
    played = play(*TASK, models=MODELS, template=template)
    assert played.end == ("user_stop", "solved")
    rows = rows_of(played)
    assert [(row["role"], row["sequence"]) for row in rows] == [("agent", 0), ("user", 0)]
    for row in rows:
        last = played.of(row["role"])[-1]
        whole = template.prompt(last.messages, last.body.get("tools") or ())
        assert (row["prompt_ids"] + row["completion_ids"])[: len(whole)] == whole
        assert len(row["mask"]) == len(row["logprobs"]) == len(row["completion_ids"])
        assert row["reward"] == 1.0
        told = list(zip(row["completion_ids"], row["mask"], row["logprobs"], strict=True))
        assert all(logprob == (-token / 1000 if mask else None) for token, mask, logprob in told)
        messages = played.record["messages"]
        wanted = "assistant" if row["role"] == "agent" else "user"
        assert [messages[turn]["role"] for turn in row["turns"]] == [wanted] * len(row["turns"])
        assert len(row["turns"]) == len(played.of(row["role"]))


def test_a_customer_is_trained_alone(play: Play) -> None:
    models = {"user": MODELS["user"]}
    played = play(*TASK, "--agent", "oracle", models=models, template=ByteTemplate())
    rows = rows_of(played)
    assert [row["role"] for row in rows] == ["user"]
    assert sum(rows[0]["mask"]) > 0
    assert rows[0]["reward"] == played.grade["reward"]
    assert len(rows[0]["turns"]) == len(played.of("user"))


def test_the_failure_of_one_side_is_no_reward_of_the_other(play: Play) -> None:
    for failing, other in (("user", "agent"), ("agent", "user")):
        played = play(*TASK, models=MODELS, template=ByteTemplate(), **{failing: say("")})
        assert played.grade["outcome"] == f"{failing}_error"
        rows = rows_of(played)
        assert {row["reward"] for row in of(rows, failing)} == {0.0}
        assert {row["reward"] for row in of(rows, other)} <= {None}


def test_both_sides_of_telecom_are_prefix_exact(play: Play, setting_of: Callable[..., Setting]) -> None:
    setting = setting_of("telecom")
    task = next(
        task
        for task in setting.select(split="test")
        if {action.requestor for action in task.gold()} == {"user", "assistant"}
    )
    played = play(
        "--task",
        task.id,
        "--token-traces",
        domain="telecom",
        script=GoldScript.of(setting, [task]),
        models=MODELS,
        template=ByteTemplate(),
    )
    assert played.end == ("user_stop", "solved")
    messages = played.record["messages"]
    assert {message["role"] for message in messages if message.get("tool_calls")} == {"assistant", "user"}
    assert [(row["role"], row["sequence"], row["forked_at"]) for row in rows_of(played)] == [
        ("agent", 0, None),
        ("user", 0, None),
    ]


def test_a_template_that_drifts_is_caught_at_its_turn(play: Play) -> None:
    played = play(*TASK, models=MODELS, template=ByteTemplate(drifts_from=3))
    lines = [line for line in played.lines("tokens.jsonl") if line["role"] == "agent"]
    forked = [line for line in lines if "forked_at" in line]
    first = next(place for place, asked in enumerate(played.of("agent")) if asked.answered >= 3)
    assert [line["call"] for line in forked] == [first]
    assert forked[0]["prompt_ids"][forked[0]["forked_at"]] == DRIFT
    rows = of(rows_of(played), "agent")
    assert [row["sequence"] for row in rows] == [0, 1]
    assert len(rows[0]["turns"]) == first
    assert len(rows[0]["turns"]) + len(rows[1]["turns"]) == len(lines)
    assert "1 of them begin" not in export(played.folder, played.folder / "rows.jsonl").output
    said = export(played.folder, played.folder / "again.jsonl").output
    assert "of them begin where a prompt forks" in said


def test_missing_engine_data_is_absent(play: Play) -> None:
    played = play(*TASK, models=MODELS, template=ByteTemplate(logprobs=False))
    assert all("logprobs" not in line for line in played.lines("tokens.jsonl"))
    for row in rows_of(played):
        assert set(row["logprobs"]) == {None}


def test_without_the_option_no_tokens_are_requested_or_written(play: Play) -> None:
    played = play("--task", "settle_a_reminder", models=MODELS, template=ByteTemplate())
    assert not any({"return_token_ids", "logprobs"} & asked.body.keys() for asked in played.asked)
    assert not (played.folder / "tokens.jsonl").exists()
    done = export(played.folder, played.folder / "rows.jsonl")
    assert done.exit_code != 0
    assert "run it with --token-traces" in str(done.exception)


def test_the_record_is_the_same_with_traces(play: Play) -> None:
    plain = play("--task", "settle_a_reminder", models=MODELS)
    assert play(*TASK, models=MODELS, template=ByteTemplate()).record == plain.record


@pytest.mark.parametrize("template", [None, ByteTemplate(ids=False)])
def test_an_endpoint_without_token_ids_is_a_clear_error(play: Play, template: ByteTemplate | None) -> None:
    played = play(*TASK, models=MODELS, template=template)
    assert played.code == 1
    assert "the endpoint sent no prompt_token_ids, which --token-traces needs" in played.error
    assert played.record["termination"] == "infrastructure_error"


def test_invalid_token_ids_make_an_answer_unusable(play: Play) -> None:
    body = {"choices": [{"message": {"content": "Hi"}, "token_ids": ["a"]}], "prompt_token_ids": [1]}
    played = play(*TASK, "--attempts", 1, models=MODELS, template=ByteTemplate(), agent=Raw(json.dumps(body).encode()))
    assert "token_ids should be a list of token ids" in played.record["error"]


def test_only_endpoints_provide_token_traces(play: Play) -> None:
    played = play(*TASK)
    assert "only models at an endpoint return token ids" in played.error


def test_a_cassette_keeps_token_ids(play: Play, tmp_path: Path) -> None:
    cassette = tmp_path / "cassette.jsonl"
    recorded = play(*TASK, "--record", cassette, models=MODELS, template=ByteTemplate())
    replayed = play(*TASK, "--replay", cassette, models=MODELS)
    assert replayed.asked == []
    assert rows_of(replayed) == rows_of(recorded)
    assert play("--task", "settle_a_reminder", "--replay", cassette, models=MODELS).record == recorded.record


def test_a_cassette_without_token_ids_is_a_clear_error(play: Play, tmp_path: Path) -> None:
    cassette = tmp_path / "cassette.jsonl"
    play("--task", "settle_a_reminder", "--record", cassette, models=MODELS)
    played = play(*TASK, "--replay", cassette, models=MODELS)
    assert "was recorded without --token-traces" in played.error


def damaged(played: Played, change: Callable[[list[dict[str, Any]]], None]) -> str:
    """Return what the export says once lines of the trace are changed."""
    lines = played.lines("tokens.jsonl")
    change(lines)
    (played.folder / "tokens.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = export(played.folder, played.folder / "rows.jsonl")
    assert done.exit_code != 0
    return str(done.exception)


def test_misaligned_and_missing_calls_are_refused(play: Play) -> None:
    def shorten(lines: list[dict[str, Any]]) -> None:
        lines[1]["logprobs"].pop()

    def lose(lines: list[dict[str, Any]]) -> None:
        del lines[1]

    def move(lines: list[dict[str, Any]]) -> None:
        lines[1]["start"] += 1

    def spoil(lines: list[dict[str, Any]]) -> None:
        lines[1]["prompt_ids"] = ["x"]

    for change, words in [
        (shorten, "tokens.jsonl:2: "),
        (lose, "tokens.jsonl:2: call 2 of the agent"),
        (move, "the call begins at position"),
        (spoil, "tokens.jsonl:2: it has the wrong form: prompt_ids.0"),
    ]:
        played = play(*TASK, models=MODELS, template=ByteTemplate())
        assert words in damaged(played, change)


def test_parquet_holds_the_same_rows(play: Play) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    played = play(*TASK, models=MODELS, template=ByteTemplate(drifts_from=2))
    rows = rows_of(played)
    file = played.folder / "rows.parquet"
    assert export(played.folder, file).exit_code == 0
    assert parquet.read_table(file).to_pylist() == rows
    assert export(played.folder, file).exit_code != 0


def test_without_pyarrow_the_error_says_what_to_install(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    played = play(*TASK, models=MODELS, template=ByteTemplate())
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = export(played.folder, played.folder / "rows.parquet")
    assert done.exit_code != 0
    assert "Parquet needs pyarrow: pip install 'tau2-core[parquet]', or name a file that ends in .jsonl" in str(
        done.exception
    )
    assert not (played.folder / "rows.parquet").exists()


def test_a_resumed_run_traces_each_episode_once(play: Play) -> None:
    tasks = ("--task", "settle_a_reminder", "--task", "create_plain", "--token-traces", "--attempts", 1)
    options = (*tasks, "--max-infrastructure-errors", 1)
    template, bad = ByteTemplate(), [None, None, Raw(b"{}")]
    first = play(*options, models=MODELS, template=template, name="one", agent=bad)
    assert "infrastructure_error" in {record["termination"] for record in first.lines("episodes.jsonl")}
    again = play(*options, "--resume", models=MODELS, template=template, name="one")
    assert again.code == 0, again.error
    rows = rows_of(again)
    assert sorted((row["task_id"], row["role"]) for row in rows) == [
        (task, role) for task in ("create_plain", "settle_a_reminder") for role in ("agent", "user")
    ]


def test_the_settings_template_and_the_engines_version_are_kept(play: Play) -> None:
    class Versioned(ByteTemplate):
        def told(self, body: Any, message: Any) -> tuple[dict[str, Any], dict[str, Any]]:
            answer, choice = super().told(body, message)
            return {**answer, "weight_version": "step-7"}, choice

    arguments = {"agent": {"chat_template": "{{ messages }}"}}
    played = play(*TASK, models=MODELS, template=Versioned(), arguments=arguments)
    agent, user = rows_of(played)
    assert set(agent["weight_versions"]) == {"step-7"}
    assert agent["models"][0] == "agent"
    assert len(agent["template"]) == 12
    assert user["template"] is None


def test_a_repeated_request_is_a_separate_call(play: Play) -> None:
    empty = Reply({"role": "assistant", "content": ""})
    played = play(*TASK, models=MODELS, template=ByteTemplate(), agent=[None, empty])
    lines = [line for line in played.lines("tokens.jsonl") if line["role"] == "agent"]
    assert [line["call"] for line in lines] == list(range(len(lines)))
    assert lines[1]["turn"] == lines[2]["turn"]
    rows = of(rows_of(played), "agent")
    assert sum(len(row["turns"]) for row in rows) == len(lines)
