"""Debit cards: activation, blocking, PINs and limits."""

import json
from typing import Any

from tau2_core import Context, Refusal

from tau2_domain_banking_knowledge.card_limits import atm_limit
from tau2_domain_banking_knowledge.checks import need, one_of, record
from tau2_domain_banking_knowledge.dates import age_in_days
from tau2_domain_banking_knowledge.ids import TODAY
from tau2_domain_banking_knowledge.listing import rows
from tau2_domain_banking_knowledge.models import BankingDB, Row
from tau2_domain_banking_knowledge.money import positive, whole
from tau2_domain_banking_knowledge.pins import check_digits, check_pin

CLOSING_REASONS = ("lost", "stolen", "fraud_suspected", "damaged", "no_longer_needed", "account_closing")
YOUNGEST = 60  # days that an account must be old before its limits are raised


def _card(db: BankingDB, card_id: str) -> Row:
    return record(db.debit_cards.data, card_id, "debit card")


def _require_active(card: Row, card_id: str) -> None:
    if card.get("status") != "ACTIVE":
        raise Refusal(f"card {card_id} is not active: its status is {card.get('status')!r}")


def set_debit_card_recurring_block_7382(db: BankingDB, card_id: str, block_recurring: bool) -> str:
    need(card_id=card_id)
    card = _card(db, card_id)
    if not card or str(card.get("status", "")).upper() != "ACTIVE":
        raise Refusal(f"card {card_id} is not active")
    card["recurring_blocked"] = block_recurring
    return f"Recurring payments with card {card_id} are {'blocked' if block_recurring else 'not blocked'}."


def close_debit_card_4721(db: BankingDB, card_id: str, reason: str) -> str:
    need(card_id=card_id, reason=reason)
    why = reason.lower()
    one_of(why, CLOSING_REASONS, "reason")
    card = _card(db, card_id)
    if card.get("status") not in ("ACTIVE", "PENDING"):
        raise Refusal(f"card {card_id} cannot be closed: its status is {card.get('status')!r}")
    card |= {"status": "CLOSED", "closed_date": TODAY, "closure_reason": why}
    return f"Card {card_id} is closed."


def freeze_debit_card_3892(db: BankingDB, card_id: str) -> str:
    need(card_id=card_id)
    card = _card(db, card_id)
    if card.get("status") == "FROZEN":
        raise Refusal(f"card {card_id} is already frozen")
    _require_active(card, card_id)
    card |= {"status": "FROZEN", "frozen_date": TODAY}
    return f"Card {card_id} is frozen."


def unfreeze_debit_card_3893(db: BankingDB, card_id: str) -> str:
    need(card_id=card_id)
    card = _card(db, card_id)
    if card.get("status") != "FROZEN":
        raise Refusal(f"card {card_id} is not frozen")
    _require_open_account(db, card)
    card |= {"status": "ACTIVE", "unfrozen_date": TODAY}
    return f"Card {card_id} is active again."


def _require_open_account(db: BankingDB, card: Row) -> None:
    account = rows(db, "accounts").get(card.get("account_id", ""))
    if account is not None and account.get("status") != "OPEN":
        raise Refusal("the account of this card is not open")


def clear_debit_card_fraud_alert_4892(db: BankingDB, card_id: str, reason: str) -> str:
    need(card_id=card_id, reason=reason)
    one_of(reason, ("customer_verified", "velocity_clear"), "reason")
    card = _card(db, card_id)
    if reason == "velocity_clear":
        if not card.get("velocity_blocked"):
            raise Refusal(f"card {card_id} is not blocked for too many payments")
        card |= {"velocity_blocked": False, "velocity_cleared_date": TODAY}
    else:
        if not card.get("fraud_alert_active"):
            raise Refusal(f"card {card_id} has no fraud alert")
        if card.get("alert_source") == "bank_initiated":
            raise Refusal("the bank itself has set this alert; it cannot be cleared with this tool")
        card |= {"fraud_alert_active": False, "alert_source": None, "fraud_alert_cleared_date": TODAY}
    return f"The alert on card {card_id} is cleared."


def reset_debit_card_pin_6284(db: BankingDB, card_id: str, last_4_digits: str, new_pin: str) -> str:
    need(card_id=card_id, last_4_digits=last_4_digits, new_pin=new_pin)
    check_digits(last_4_digits, 4, "last_4_digits")
    check_pin(new_pin)
    card = _card(db, card_id)
    if card.get("last_4_digits") != last_4_digits:
        raise Refusal("these are not the last four digits of the card")
    _require_active(card, card_id)
    card |= {"pin_last_changed": TODAY, "pin_locked": False, "pin_attempts_remaining": 3}
    return f"The PIN of card {card_id} is reset."


def change_debit_card_pin_6285(db: BankingDB, card_id: str, current_pin: str, new_pin: str) -> str:
    """Change a PIN. The current one is not checked, since PINs are not stored."""
    need(card_id=card_id, current_pin=current_pin, new_pin=new_pin)
    check_digits(current_pin, 4, "the current PIN")
    check_pin(new_pin)
    if current_pin == new_pin:
        raise Refusal("the new PIN is the same as the current one")
    card = _card(db, card_id)
    _require_active(card, card_id)
    card["pin_last_changed"] = TODAY
    return f"The PIN of card {card_id} is changed."


def get_debit_cards_by_account_id_7823(db: BankingDB, account_id: str) -> str:
    need(account_id=account_id)
    account = record(rows(db, "accounts"), account_id, "account")
    if str(account.get("class", "")).lower() not in ("checking", "business_checking"):
        raise Refusal(f"account {account_id} is not a checking account")
    cards = [
        _shown(card_id, card)
        for card_id, card in rows(db, "debit_cards").items()
        if card.get("account_id") == account_id
    ]
    if not cards:
        return f"Account {account_id} has no debit cards."
    cards.sort(key=lambda card: card.get("date_issued", ""), reverse=True)  # as text, as in tau2-bench
    return json.dumps(cards, indent=2)


def _shown(card_id: str, card: Row) -> dict[str, Any]:
    """Return a card with the field names that the tool shows; renamed fields come last."""
    shown: dict[str, Any] = {"card_id": card_id, **card}
    if "last_4_digits" in shown and "card_number_last_4" not in shown:
        shown["card_number_last_4"] = shown.pop("last_4_digits")
    issued = next((name for name in ("issue_date", "created_date") if name in shown), None)
    if issued is not None and "date_issued" not in shown:
        shown["date_issued"] = shown.pop(issued)
    return shown


def request_temporary_debit_card_limit_increase_8374(
    db: BankingDB, card_id: str, limit_type: str, new_limit: int, *, context: Context
) -> str:
    need(card_id=card_id)
    need(limit_type=limit_type)
    one_of(limit_type, ("atm", "purchase"), "limit_type")
    wanted = whole(new_limit, "new_limit")
    positive(wanted, "new_limit")
    card = _card(db, card_id)
    _require_active(card, card_id)
    account = record(rows(db, "accounts"), card.get("account_id"), "account")
    _require_open_account(db, card)
    age = age_in_days(account.get("date_opened"), context.now)
    if age is not None and age < YOUNGEST:
        raise Refusal(f"the account of this card is younger than {YOUNGEST} days")
    current = card.get(f"daily_{limit_type}_limit")
    if current is None and limit_type == "atm":
        current = atm_limit(account)
    if current is None:
        raise Refusal("the current limit of this card is not known")
    if not current < wanted <= int(current * 1.5):
        raise Refusal(f"the new limit should be more than {current}, and at most {int(current * 1.5)}")
    card |= {
        f"daily_{limit_type}_limit": wanted,
        f"temporary_{limit_type}_limit_increase": True,
        f"original_{limit_type}_limit": current,
        f"temporary_{limit_type}_limit_expires": TODAY,
    }
    return f"The {limit_type} limit of card {card_id} is {wanted} until the end of the day."
