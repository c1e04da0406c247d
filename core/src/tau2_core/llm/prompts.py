"""The core's own prompts, used where neither a dataset nor a pack brings others."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from tau2_core.packs.prompts import render_prompt

FOLDER = Path(__file__).parent.parent / "prompts"


def own_prompt(name: Literal["agent", "user", "judge"], **values: Any) -> str:
    """Render one of the core's templates."""
    return render_prompt(FOLDER, f"{name}.md.j2", values)
