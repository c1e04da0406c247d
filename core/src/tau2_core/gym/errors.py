"""What the gym answers when it refuses: a status, a code for programs and a message for people."""

from __future__ import annotations

from typing import Any

from tau2_core.errors import Tau2GymError


class RefusedError(Tau2GymError):
    """A refused request: HTTP status, stable code, message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def body(self) -> dict[str, Any]:
        return {"error": {"code": self.code, "message": str(self)}}


def unknown_episode() -> RefusedError:
    return RefusedError(404, "unknown_episode", "there is no such episode")


def expired_episode() -> RefusedError:
    return RefusedError(410, "expired_episode", "this episode was deleted or has expired; create a new one")
