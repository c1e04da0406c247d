"""The former name of `loading`, which scripts outside this repository import."""

from __future__ import annotations

from tau2_core.runs.loading import load_setting as prepare
from tau2_core.runs.loading import open_catalogue

__all__ = ["open_catalogue", "prepare"]
