"""Checks at the start of many tools. Each raises Refusal."""

from collections.abc import Collection, Mapping
from typing import Any

from tau2_core import Refusal

from tau2_domain_banking_knowledge.models import BankingDB, Row

OPEN_STATUSES = ("OPEN", "ACTIVE")


def need(**arguments: Any) -> None:
    """Refuse arguments that are missing or empty."""
    missing = [name for name, value in arguments.items() if not value]
    if missing:
        raise Refusal(f"{', '.join(missing)} should be given")


def given(**arguments: Any) -> None:
    """Refuse arguments that are null."""
    missing = [name for name, value in arguments.items() if value is None]
    if missing:
        raise Refusal(f"{', '.join(missing)} should be given")


def one_of(value: Any, allowed: Collection[Any], name: str) -> None:
    """Refuse a value that is not allowed."""
    if value not in allowed:
        raise Refusal(f"{name} should be one of {', '.join(map(str, allowed))}, not {value!r}")


def record(table: Mapping[str, Row], record_id: Any, what: str) -> Row:
    """Return a record by its id."""
    if record_id not in table:
        raise Refusal(f"there is no {what} {record_id!r}")
    return table[record_id]


def owned_by(row: Mapping[str, Any], user_id: Any, what: str) -> None:
    """Refuse a record of another customer."""
    if row.get("user_id") != user_id:
        raise Refusal(f"this {what} does not belong to customer {user_id!r}")


def card_account_of(db: BankingDB, account_id: Any, user_id: Any) -> Row:
    """Return a customer's own credit card account."""
    account = record(db.credit_card_accounts.data, account_id, "credit card account")
    owned_by(account, user_id, "credit card account")
    return account


def is_open(account: Mapping[str, Any]) -> bool:
    """Return whether a bank account is open."""
    return account.get("status") in OPEN_STATUSES


def open_account(account: Mapping[str, Any], account_id: Any) -> None:
    """Refuse a bank account that is not open."""
    if not is_open(account):
        raise Refusal(f"account {account_id!r} is not open: its status is {account.get('status')!r}")
