"""How the decorator uses custom rollout processors: concurrency, retries, errors and secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.eval_protocol.conftest import lines

if TYPE_CHECKING:
    from tests.eval_protocol.conftest import Evaluate

# A processor that records in a file how it is used.
NOTING = """
import asyncio, pathlib

class Noting(NoOpRolloutProcessor):
    def __init__(self, play):
        self.play = play
        self.tries = {}
        self.within = self.most = 0

    def note(self, text):
        with pathlib.Path("notes").open("a") as file:
            file.write(text + "\\n")

    def setup(self):
        self.note("setup")

    def __call__(self, rows, config):
        return [asyncio.create_task(self.one(row, config)) for row in rows]

    async def one(self, row, config):
        async with config.semaphore:
            self.within += 1
            self.most = max(self.most, self.within)
            key = (config.run, row.row_id)
            self.tries[key] = self.tries.get(key, 0) + 1
            try:
                await self.play(self, row, config, self.tries[key])
            finally:
                self.within -= 1
        row.evaluation_result = EvaluateResult(score=1.0)
        return row

    async def acleanup(self):
        self.note(f"cleanup after {sum(self.tries.values())} tries, {self.most} at once")
"""
GIVEN_BACK = """
def test_it(row: EvaluationRow) -> EvaluationRow:
    return row
"""


def test_max_concurrent_rollouts_is_reached_and_not_exceeded(evaluate: Evaluate) -> None:
    """All 32 rollouts must have started before any continues; with a lower limit the test would never end."""
    source = """
barrier = []

async def together(self, row, config, tries):
    if not barrier:
        barrier.append(asyncio.Barrier(32))
    await barrier[0].wait()

@evaluation_test(input_rows=[rows(map(str, range(32)))], num_runs=2, max_concurrent_rollouts=32,
                 rollout_processor=Noting(together))
"""
    ran = evaluate(NOTING + source + GIVEN_BACK)
    assert ran.code == 0, ran.output
    assert (ran.folder / "notes").read_text().splitlines() == ["setup", "cleanup after 64 tries, 32 at once"]


def test_retryable_failures_are_retried(evaluate: Evaluate) -> None:
    source = """
async def falter(self, row, config, tries):
    if "create_plain" in row.row_id and tries <= 2:
        assert config.kwargs.get("start_server", True) == (tries == 1)
        raise ConnectionError("gone")
    if "complete_task" in row.row_id:
        raise ConnectionError("gone for good")
    if "refuse" in row.row_id:
        raise ZeroDivisionError("no luck")

HANDLER = ExceptionHandlerConfig(backoff_config=BackoffConfig(base_delay=0.0, max_tries=3))

@evaluation_test(input_rows=[rows()], exception_handler_config=HANDLER, rollout_processor=Noting(falter),
                 passed_threshold=0.6)
"""
    ran = evaluate(NOTING + source + GIVEN_BACK)
    assert (ran.folder / "notes").read_text().startswith("setup\ncleanup after 9 tries")  # 3 + 1 + 4 + 1
    [folder] = ran.runs().values()
    rows = {row["input_metadata"]["row_id"]: row for row in lines(folder / "rows.jsonl")}
    ended = {name: (row["rollout_status"]["code"], row["rollout_status"]["message"]) for name, row in rows.items()}
    assert ended["mock_task_create_plain"][0] == ended["mock_task_create_with_description"][0] == 100
    assert ended["mock_task_complete_task"] == (13, "ConnectionError: gone for good")
    assert ended["mock_task_refuse_unknown_status"] == (13, "ZeroDivisionError: no luck")
    assert not rows["mock_task_complete_task"]["evaluation_result"]["is_score_valid"]
    assert "rate 0.5000" in ran.failures["test_it[none-rows-4]"]


def test_an_exception_in_the_function_cancels_the_other_rollouts(evaluate: Evaluate) -> None:
    source = """
async def wait(self, row, config, tries):
    if "create_plain" not in row.row_id:
        await asyncio.Event().wait()

@evaluation_test(input_rows=[rows()], rollout_processor=Noting(wait))
def test_it(row: EvaluationRow) -> EvaluationRow:
    raise LookupError("what is this?")
"""
    ran = evaluate(NOTING + source)
    assert "LookupError: what is this?" in ran.failures["test_it[none-rows-4]"]
    assert (ran.folder / "notes").read_text().startswith("setup\ncleanup after 4 tries")


def test_an_exception_in_the_function_can_be_limited_to_its_row(evaluate: Evaluate) -> None:
    source = """
@evaluation_test(input_rows=[rows()], rollout_processor=NoOpRolloutProcessor(), passed_threshold=0.8)
async def test_it(row: EvaluationRow) -> EvaluationRow:
    assert "complete" not in row.row_id, "what is this?"
    row.evaluation_result = EvaluateResult(score=1.0)
    return row
"""
    ran = evaluate(source, EP_RAISE_EVAL_EXCEPTIONS="false")
    assert "rate 0.7500" in ran.failures["test_it[none-rows-4]"]
    assert "mock_task_complete_task 0.00 in 1 run: AssertionError: what is this?" in ran.output


def test_no_output_contains_a_key(evaluate: Evaluate) -> None:
    """Given as an option, by the environment, and in an address; raised by a processor, and printed by a test."""
    source = """
import os

SECRETS = f"sk-given-123456 {os.environ['SOME_API_KEY']} https://x.org/?key=in-an-address"

async def fail(self, row, config, tries):
    raise LookupError(SECRETS)

GIVEN = {"agent": "silent", "api_key": "sk-given-123456"}

@evaluation_test(input_rows=[rows()], completion_params=[GIVEN], rollout_processor=Noting(fail), passed_threshold=0.5)
def test_rollouts(row: EvaluationRow) -> EvaluationRow:
    return row

@evaluation_test(input_rows=[rows()], completion_params=[GIVEN], passed_threshold=0.5)
def test_reasons(row: EvaluationRow) -> EvaluationRow:
    row.evaluation_result = EvaluateResult(score=0.0, reason=SECRETS)
    return row
"""
    ran = evaluate(NOTING + source, SOME_API_KEY="sk-environment-123456")
    assert ran.code == 1, ran.output
    assert len(ran.runs()) == 2
    files = [file for folder in ran.runs().values() for file in folder.iterdir()]
    texts = [ran.output, (ran.folder / "junit.xml").read_text(), *(file.read_text() for file in files)]
    assert "[redacted]" in ran.output
    for secret in ("sk-given-123456", "sk-environment-123456", "in-an-address"):
        assert not [text for text in texts if secret in text]
