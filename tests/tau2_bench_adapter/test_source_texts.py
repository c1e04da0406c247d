"""The tau2-bench adapter: texts in the sources of a checkout."""

from __future__ import annotations

from pathlib import Path

import pytest
from tau2_core.adapters.tau2_bench.dataset import open_dataset
from tau2_core.model.datasets import ToolText

from tests.tau2_bench_adapter.checkout import refusal, write


class TestSourceTexts:
    def test_tools_are_found_by_side(self, sources: Path) -> None:
        texts = open_dataset(sources, "shop").tool_texts
        assert texts == {
            "agent": {
                "count": ToolText(
                    "Count what lies on a shelf.\n\nBaskets are counted as one.\nNot what lies behind it.",
                    {"shelf": 'The shelf\'s name, such as "A1".', "deep": "Whether to look\ninto baskets as well."},
                ),
                "clear": ToolText("Clear every shelf."),
            },
            "user": {"open_bag": ToolText("Open the bag.")},
        }

    def test_the_instruction_and_the_opening_line_are_read(self, sources: Path) -> None:
        dataset = open_dataset(sources, "shop")
        assert dataset.agent_instruction == "Serve politely.\n  Follow the rules."
        assert dataset.opening == "Good day. What is it?"

    @pytest.mark.parametrize(
        ("expression", "text"),
        [
            ("'plain'", "plain"),
            ("('in ' 'two ' + 'parts')", "in two parts"),
            ("f'no ' f'gaps'", "no gaps"),
            ('textwrap.dedent("""\\\n    deep\n      deeper\n""").rstrip()', "deep\n  deeper"),
            ("dedent('  x')", "x"),
            ("cleandoc('a\\n  b')", "a\nb"),
            ("f'a {gap}'", None),
            ("'a' + OTHER", None),
            ("OTHER.strip()", None),
            ("load('file')", None),
            ("'a %s' % 'b'", None),
            ("''", None),
            ("7", None),
        ],
    )
    def test_only_literals_are_read(self, checkout: Path, expression: str, text: str | None) -> None:
        write(
            checkout,
            {
                "src/tau2/agent/llm_agent.py": f"AGENT_INSTRUCTION: str = {expression}\n",
                "src/tau2/orchestrator/orchestrator.py": f"DEFAULT_FIRST_AGENT_MESSAGE = M(content={expression})\n",
            },
        )
        dataset = open_dataset(checkout, "shop")
        assert (dataset.agent_instruction, dataset.opening) == (text, text)

    def test_a_constant_that_is_not_a_literal_is_not_searched_elsewhere(self, sources: Path) -> None:
        write(sources, {"src/tau2/agent/llm_agent.py": "AGENT_INSTRUCTION = load()\n"})
        dataset = open_dataset(sources, "shop")
        assert dataset.agent_instruction is None
        assert dataset.origins["agent_instruction"] == "core"

    def test_a_constant_is_read_from_another_file_if_the_usual_one_lacks_it(self, sources: Path) -> None:
        (sources / "src/tau2/agent/llm_agent.py").rename(sources / "src/tau2/agent/zeta.py")
        write(sources, {"src/tau2/agent/another.py": "from zeta import AGENT_INSTRUCTION\n"})
        dataset = open_dataset(sources, "shop")
        assert dataset.agent_instruction == "Serve politely.\n  Follow the rules."
        assert dataset.origins["agent_instruction"] == "dataset src/tau2/agent/zeta.py"

    @pytest.mark.parametrize(
        "statement", ["DEFAULT_FIRST_AGENT_MESSAGE = 'Hi'", "DEFAULT_FIRST_AGENT_MESSAGE = M('Hi')"]
    )
    def test_an_opening_line_of_another_shape_is_ignored(self, checkout: Path, statement: str) -> None:
        write(checkout, {"src/tau2/orchestrator/orchestrator.py": statement})
        assert open_dataset(checkout, "shop").opening is None

    @pytest.mark.parametrize(
        ("name", "head"),
        [
            ("domains/shop/tools.py", "class Tools:\n"),
            ("agent/llm_agent.py", "AGENT_INSTRUCTION = 'x'\n"),
            ("orchestrator/orchestrator.py", "DEFAULT_FIRST_AGENT_MESSAGE = M(content='x')\n"),
        ],
    )
    def test_a_syntax_error_is_reported_with_file_line_and_advice(self, sources: Path, name: str, head: str) -> None:
        write(sources, {f"src/tau2/{name}": f"{head}def (:\n"})
        message = refusal(lambda: open_dataset(sources, "shop"))
        assert f"src/tau2/{name}:2: cannot be parsed as Python" in message
        assert "or remove it to use our own texts" in message

    def test_a_source_that_is_not_text_is_refused(self, sources: Path) -> None:
        (sources / "src/tau2/domains/shop/tools.py").write_bytes(b"x = 1\0")
        assert "tools.py: cannot be parsed as Python" in refusal(lambda: open_dataset(sources, "shop")).replace(
            "tools.py:1:", "tools.py:"
        )

    def test_damage_in_unrelated_sources_is_ignored(self, sources: Path) -> None:
        write(sources, {"src/tau2/agent/broken.py": "def (:", "src/tau2/domains/phone/tools.py": "def (:"})
        assert open_dataset(sources, "shop").agent_instruction

    def test_invalid_escapes_give_no_warning(self, sources: Path, recwarn: pytest.WarningsRecorder) -> None:
        assert open_dataset(sources, "shop").agent_instruction
        assert not list(recwarn)
