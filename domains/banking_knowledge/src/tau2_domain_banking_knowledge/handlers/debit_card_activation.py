"""Activating debit cards: a tool for first cards, one for replacements, one for cards that were reissued."""

from collections.abc import Collection
from typing import Any

from tau2_core import Refusal

from tau2_domain_banking_knowledge.checks import need, record
from tau2_domain_banking_knowledge.ids import TODAY
from tau2_domain_banking_knowledge.listing import rows
from tau2_domain_banking_knowledge.models import BankingDB
from tau2_domain_banking_knowledge.pins import check_digits, check_pin

FIRST = ("new_account", "first_card")
REPLACED = ("lost", "stolen", "fraud")
REISSUED = ("expired", "damaged", "upgrade", "bank_reissue")


def activate_debit_card_8291(
    db: BankingDB, card_id: str, last_4_digits: str, expiration_date: str, cvv: str, pin: str
) -> str:
    _activate(db, card_id, last_4_digits, expiration_date, cvv, pin, FIRST)
    others = {
        "status": "DEACTIVATED",
        "deactivated_date": TODAY,
        "deactivation_reason": "New card activated",
    }
    return _end_other_cards(db, card_id, others)


def activate_debit_card_8292(
    db: BankingDB, card_id: str, last_4_digits: str, expiration_date: str, cvv: str, pin: str
) -> str:
    why = _activate(db, card_id, last_4_digits, expiration_date, cvv, pin, REPLACED)
    others = {
        "status": "DEACTIVATED",
        "deactivated_date": TODAY,
        "deactivation_reason": f"Replacement card activated ({why})",
    }
    return _end_other_cards(db, card_id, others)


def activate_debit_card_8293(
    db: BankingDB, card_id: str, last_4_digits: str, expiration_date: str, cvv: str, pin: str
) -> str:
    why = _activate(db, card_id, last_4_digits, expiration_date, cvv, pin, REISSUED)
    others = {
        "status": "GRACE_PERIOD",
        "grace_period_ends": TODAY,
        "deactivation_reason": f"Reissued card activated ({why})",
    }
    return _end_other_cards(db, card_id, others)


def _activate(
    db: BankingDB,
    card_id: str,
    last_4_digits: str,
    expiration_date: str,
    cvv: str,
    pin: str,
    issued_for: Collection[str],
) -> str:
    """Activate a card and return why it was issued. Expiration date and CVV are not compared, as in tau2-bench."""
    need(card_id=card_id, last_4_digits=last_4_digits, expiration_date=expiration_date, cvv=cvv, pin=pin)
    check_pin(pin)
    check_digits(cvv, 3, "the CVV")
    check_digits(last_4_digits, 4, "last_4_digits")
    card = record(db.debit_cards.data, card_id, "debit card")
    why: str = card.get("issue_reason", "new_account")
    if why not in issued_for:
        raise Refusal(f"this tool is not for cards with the issue reason {why!r}")
    if card.get("status") == "ACTIVE":
        raise Refusal(f"card {card_id} is already active")
    if card.get("status") != "PENDING":
        raise Refusal(f"card {card_id} cannot be activated: its status is {card.get('status')!r}")
    if card.get("last_4_digits") != last_4_digits:
        raise Refusal("these are not the last four digits of the card")
    account = rows(db, "accounts").get(card.get("account_id", ""))
    if account is not None and account.get("status") != "OPEN":
        raise Refusal("the account of this card is not open")
    card |= {"status": "ACTIVE", "activated_date": TODAY}
    return why


def _end_other_cards(db: BankingDB, card_id: str, changes: dict[str, Any]) -> str:
    account_id = rows(db, "debit_cards")[card_id].get("account_id")
    active = [
        other
        for other, card in rows(db, "debit_cards").items()
        if other != card_id and card.get("account_id") == account_id and card.get("status") == "ACTIVE"
    ]
    for other in active:
        db.debit_cards.data[other].update(changes)
    return f"Card {card_id} is active."
