"""Amounts, which the records hold as text in several forms."""

from collections.abc import Mapping
from typing import Any

from tau2_core import Refusal


def parsed(value: Any) -> float:
    """Return an amount as a number: text may contain `$` and `,`. Raises ValueError for other text."""
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str):
        return float(value.replace("$", "").replace(",", ""))
    return 0.0


def balance(account: Mapping[str, Any]) -> float:
    """Return a bank account's balance, in dollars. Raises ValueError if it is not an amount."""
    return parsed(account["current_holdings"] if "current_holdings" in account else account.get("balance", 0))


def cents(amount: float) -> str:
    """Return an amount with two decimals."""
    return f"{amount:.2f}"


def dollars(amount: float) -> str:
    """Return an amount with a dollar sign and two decimals."""
    return f"${amount:.2f}"


def number(value: Any, name: str) -> float:
    """Return an argument as a number. Raises Refusal."""
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise Refusal(f"{name} should be a number, not {value!r}") from error


def whole(value: Any, name: str) -> int:
    """Return an argument as a whole number. Raises Refusal."""
    amount = number(value, name)
    if not amount.is_integer():
        raise Refusal(f"{name} should be a whole number, not {value!r}")
    return int(amount)


def positive(amount: float, name: str) -> None:
    """Refuse an amount that is not above zero."""
    if amount <= 0:
        raise Refusal(f"{name} should be more than zero")


def positive_number(value: Any, name: str) -> float:
    """Return an argument as a number above zero. Raises Refusal."""
    amount = number(value, name)
    positive(amount, name)
    return amount
