"""The bank's rules about accounts: who may open one, and what closing one early costs."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from tau2_domain_banking_knowledge.checks import is_open
from tau2_domain_banking_knowledge.dates import age_in_days
from tau2_domain_banking_knowledge.money import balance

ACCOUNT_TYPES = ("checking", "savings", "business_checking", "business_savings")
PERSONAL_CHECKING = ("checking", "personal_checking")

# Fee, and the days after opening in which it is due, by class and level.
_FEES: Mapping[str, Mapping[str, tuple[float, int]]] = {
    "checking": {
        "Light Blue Account": (15.0, 30),
        "Light Green Account": (15.0, 30),
        "Green Fee-Free Account": (15.0, 30),
        "Blue Account": (25.0, 60),
        "Green Account": (25.0, 60),
        "Evergreen Account": (50.0, 90),
        "Bluest Account": (100.0, 180),
    },
    "savings": {
        "Bronze Account": (20.0, 60),
        "Silver Account": (35.0, 90),
        "Silver Plus Account": (35.0, 90),
        "Gold Account": (75.0, 180),
        "Gold Plus Account": (75.0, 180),
        "Gold Years Account": (75.0, 180),
        "Platinum Account": (150.0, 270),
        "Platinum Plus Account": (150.0, 270),
        "Diamond Elite Account": (150.0, 270),
    },
}


def kind(account: Mapping[str, Any]) -> Any:
    """Return the type of an account: `account_type` if the record has it, else `class`, as in older accounts."""
    return account["account_type"] if "account_type" in account else account.get("class")


def may_open(account_type: str, accounts: Iterable[Mapping[str, Any]], now: datetime) -> bool:
    """Return whether a customer with these accounts may open one of this type."""
    accounts = list(accounts)
    if account_type == "savings":
        return _has_open(accounts, PERSONAL_CHECKING, 14, now)
    if account_type == "business_checking":
        closed = any(account.get("status") == "CLOSED" for account in accounts)
        return not closed and _has_open(accounts, PERSONAL_CHECKING, None, now)
    if account_type == "business_savings":
        overdrawn = any(balance(account) < 0 for account in accounts)
        return not overdrawn and _has_open(accounts, ("business_checking",), 30, now)
    return True


def _has_open(accounts: Iterable[Mapping[str, Any]], kinds: tuple[str, ...], days: int | None, now: datetime) -> bool:
    return any(
        is_open(account)
        and kind(account) in kinds
        and (days is None or (age_in_days(account.get("date_opened"), now) or 0) >= days)
        for account in accounts
    )


def early_closure_fee(account: Mapping[str, Any], now: datetime) -> float:
    """Return the fee for closing an account now, in dollars; 0 if there is none."""
    fee, window = _FEES.get(account.get("class", ""), {}).get(account.get("level", ""), (0.0, 0))
    age = age_in_days(account.get("date_opened"), now)
    return fee if age is not None and age < window else 0.0
