"""The core's own prompts, used unless a dataset or a pack has others."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from tau2_core.model.llm import JUDGES, ModelRole
from tau2_core.packs.prompts import render_prompt

FOLDER = Path(__file__).parent.parent / "prompts"


@cache
def own_prompt(name: ModelRole, **values: Any) -> str:
    """Render one of the core's templates."""
    return render_prompt(FOLDER, f"{name}.md.j2", values)


def template(name: ModelRole) -> str:
    """Return the text of the core's template for a role; all judges of a run have the same."""
    name = "judge" if name in JUDGES else name
    return (FOLDER / f"{name}.md.j2").read_text(encoding="utf-8")
