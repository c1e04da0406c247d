"""Writing an `evaluation.yaml` for a test."""

from __future__ import annotations

from collections.abc import Callable
from subprocess import CompletedProcess

Gym = Callable[..., CompletedProcess[str]]
TONE = """
from tau2_core import AssistantMessage, Check, Evidence, Status, Verdict


def evaluate(evidence: Evidence, *, word: str, share: float = 0.0) -> Verdict:
    said = [m.content or "" for m in evidence.record.messages if isinstance(m, AssistantMessage)]
    met = any(word in text.lower() for text in said)
    checks = [Check(what=word, met=met)]
    return Verdict(criterion="TONE", status=Status.GRADED, reward=1.0 if met else share, checks=checks)


def lies(evidence: Evidence) -> bool:
    return True


def too_much(evidence: Evidence) -> Verdict:
    return Verdict(criterion="TONE", status=Status.GRADED, reward=2.0)
"""
