"""The slots of a served run, each of which is claimed by one client."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from tau2_core.gym.errors import RefusedError
from tau2_core.model.episodes import Slot

ASK_AGAIN = 1  # seconds after which a slot may be free again
SlotStatus = Literal["open", "claimed", "finished", "lost"]


@dataclass(frozen=True)
class Claim:
    """A claimed slot; `attempt` counts from 1."""

    slot: Slot
    attempt: int


class Slots:
    """The state of every slot: open, claimed, finished, or lost `attempts` times.

    An agent has `seconds` for a slot. If its episode is not finished in time, expires, or is deleted before anything
    has happened, the slot is handed out again after the others. `stopped` is the reason why no more slots are handed
    out; it is empty while they are.
    """

    def __init__(self, slots: Sequence[Slot], finished: Collection[Slot], *, attempts: int, seconds: float) -> None:
        self.attempts = attempts
        self.seconds = seconds
        self.stopped = ""
        self._status: dict[Slot, SlotStatus] = {slot: "finished" if slot in finished else "open" for slot in slots}
        self._open = deque(slot for slot in slots if slot not in finished)
        self._tries: Counter[Slot] = Counter()

    def refuse_if_stopped(self) -> None:
        """Refuse to hand out slots of a stopped run. Raises RefusedError (410)."""
        if self.stopped and not self.all_played():
            raise RefusedError(410, "stopped", f"{self.stopped}; no more slots of this run are handed out")

    def claim(self) -> Claim:
        """Take the next slot. Raises RefusedError: 409 while all remaining slots are being played, 410 after that."""
        if not self._open:
            if self.counts()["claimed"]:
                what = "all remaining slots are being played; ask again later, since lost ones are handed out again"
                raise RefusedError(409, "all_claimed", what, retry_after=ASK_AGAIN, expected=True)
            what = "all slots of this run are played; there is nothing left to claim"
            raise RefusedError(410, "all_played", what, expected=True)
        slot = self._open.popleft()
        self._status[slot] = "claimed"
        self._tries[slot] += 1
        return Claim(slot, self._tries[slot])

    def finish(self, slot: Slot) -> None:
        self._status[slot] = "finished"

    def is_last_attempt(self, slot: Slot) -> bool:
        """Tell whether the slot will not be handed out again if it is lost now."""
        return self._tries[slot] >= self.attempts

    def lose(self, slot: Slot) -> None:
        """Hand a slot out again, unless that was its last attempt."""
        if self.is_last_attempt(slot):
            self._status[slot] = "lost"
        else:
            self._status[slot] = "open"
            self._open.append(slot)

    def give_back(self, slot: Slot) -> None:
        """Return a slot whose episode could not be opened, as if it had not been claimed."""
        self._tries[slot] -= 1
        self._status[slot] = "open"
        self._open.appendleft(slot)

    def all_played(self) -> bool:
        """Tell whether no slot is open or claimed."""
        counts = self.counts()
        return not counts["open"] and not counts["claimed"]

    def counts(self) -> dict[SlotStatus, int]:
        """Return the number of slots by status."""
        found: Counter[SlotStatus] = Counter(self._status.values())
        return {
            "open": found["open"],
            "claimed": found["claimed"],
            "finished": found["finished"],
            "lost": found["lost"],
        }

    def items(self) -> list[tuple[Slot, SlotStatus, int]]:
        """Return every slot with its status and how often this server has handed it out."""
        return [(slot, status, self._tries[slot]) for slot, status in self._status.items()]
