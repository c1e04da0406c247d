"""The daily cash limits of debit cards, by the level of the account."""

from collections.abc import Mapping
from typing import Any

from tau2_core import Refusal

_ATM = {
    "blue account": 500,
    "green account": 600,
    "light blue account": 400,
    "green fee-free account": 500,
    "evergreen account": 750,
    "bluest account": 1500,
    "dark green account": 300,
    "gold years account": 600,
    "purple account": 1000,
}


def atm_limit(account: Mapping[str, Any]) -> int:
    """Return the usual limit for an account, in dollars a day. Raises Refusal if it has none."""
    level = str(account.get("level", "")).lower()
    if "light green" in level:
        raise Refusal("cards of this account cannot be used to withdraw cash")
    if level not in _ATM:
        raise Refusal(f"no limit is known for accounts of the level {account.get('level')!r}")
    return _ATM[level]
