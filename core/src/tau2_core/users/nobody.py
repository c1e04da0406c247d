"""The placeholder for the customer in solo play."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from tau2_core.model.messages import Message
from tau2_core.model.participants import UserContext


class Nobody:
    """Never speaks; asking it for a message is an error."""

    def __init__(self, context: UserContext) -> None:
        pass

    async def reply(self, history: Sequence[Message]) -> NoReturn:
        raise RuntimeError("there is no customer in solo play")
