"""Prompt templates get copies, do a bounded amount of work, and fail with file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tau2_core.packs.prompts import PromptError, render_prompt
from tau2_core.runs.loading import load_domain_pack, open_catalogue

DOUBLING = "{{% set ns = namespace(x='ab') %}}{{% for i in range(99) %}}{}{{% endfor %}}"
ENDLESS = {
    "nested loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "a long text": "{{ 'x' * 10**9 }}",
    "a long list": "{% set a = [1] * 10**9 %}",
    "a huge number": "{{ (9**99)**99 }}",
    "doubling by joining": DOUBLING.format("{% set ns.x = ns.x ~ ns.x %}"),
    "doubling by adding": DOUBLING.format("{% set ns.x = ns.x + ns.x %}"),
    "doubling in a block": DOUBLING.format("{% set ns.x %}{{ ns.x }}{{ ns.x }}{% endset %}"),
    "recursion": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "recursion that branches": "{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    "an include of itself": "{% include 'p.j2' %}{% include 'p.j2' %}",
    "a wide filter": "{{ 'x' | center(10**8) }}",
    "a wide method": "{{ 'x'.ljust(10**8) }}",
    "a wide format": "{{ '{:>999999999}'.format(1) }}",
    "a wide percent": "{{ '%999999999d' % 1 }}",
    "a replacement": "{{ ('x' * 100000).replace('x', 'y' * 100000) }}",
    "sorting in a loop": "{% for i in range(9999) %}{{ range(99999) | sort | length }}{% endfor %}",
    "deep brackets": "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
    "a long output": "x" * 1_000_001,
}


@pytest.fixture
def render(tmp_path: Path) -> Any:
    def render(text: str, **values: Any) -> str:
        (tmp_path / "p.j2").write_text(text)
        return render_prompt(tmp_path, "p.j2", values)

    return render


@pytest.mark.parametrize("what", ENDLESS)
def test_endless_work_is_refused(render: Any, what: str) -> None:
    with pytest.raises(PromptError):
        render(ENDLESS[what])


class Odd:
    @property
    def leaves(self) -> str:
        raise SystemExit(0)

    @property
    def stops(self) -> str:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    "text", ["{{ odd.leaves }}", "{{ odd.stops }}", "{{ 1 / 0 }}", "{{ nobody }}", "{{ odd.x.y }}"]
)
def test_errors_of_templates_have_file_and_line(render: Any, tmp_path: Path, text: str) -> None:
    with pytest.raises(PromptError) as caught:
        render("first\nsecond\n" + text, odd=Odd())
    assert (caught.value.file, caught.value.line) == (tmp_path / "p.j2", 3)


def test_templates_cannot_change_their_input(render: Any) -> None:
    setting = load_domain_pack(open_catalogue(), "mock")
    values = setting.prompt_values(variant="", solo=False)
    tool = values["tools"][0]
    before = dict(tool.parameters)
    for text in ("{{ tools[0].parameters.update({'a': 1}) }}", "{{ tools.clear() }}", "{{ tools[0].handler }}"):
        with pytest.raises(PromptError):
            render(text, **values)
    assert tool.parameters == before
    assert render("{% for t in tools %}{{ loop.index }}/{{ loop.length }} {% endfor %}", **values).startswith("1/")
